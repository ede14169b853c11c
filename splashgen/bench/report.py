"""What a run prints: a block of lines for each cell, as soon as it is measured."""

from statistics import median
from typing import Any

from splashgen.bench.cells import Cell
from splashgen.bench.peers import OURS, PEERS

__all__ = ["cell_lines"]


def cell_lines(cell: Cell, density: float, rows: dict[str, dict[str, Any]], device_type: str) -> list[str]:
    """One line on the cell and one a peer; ratios are the peer's time over ours."""
    note = "" if device_type == "cuda" else f", on the {device_type}: the times mean nothing"
    lines = [f"{cell.key}: tile density {density:.3f}{note}"]
    ours = rows.get(OURS.name, {})
    for name, row in rows.items():
        title = PEERS[name].title if name in PEERS else name
        told = _measured(row, ours) if row["status"] == "ok" else f"{row['status']}: {row['reason']}"
        lines.append(f"  {title:<24}{told}")
    return lines


def _measured(row: dict[str, Any], ours: dict[str, Any]) -> str:
    both = [sum(pair) for pair in zip(row["forward_ms"], row["backward_ms"], strict=True)]
    times = f"forward {_time(row, ours, 'forward_ms')}  backward {_time(row, ours, 'backward_ms')}"
    text = f"{times}  both {median(both):9.3f} ms"
    if "peak_bytes" in row:
        text += f"  {row['peak_bytes'] / 2**20:8.0f} MiB"
    text += f"  first call {row['first_call_s']:6.1f} s  error {_error(row['errors'])}"
    return text


def _time(row: dict[str, Any], ours: dict[str, Any], phase: str) -> str:
    own = median(row[phase])
    if row is ours or ours.get("status") != "ok":
        return f"{own:9.3f} ms         "
    return f"{own:9.3f} ms ({own / median(ours[phase]):5.2f}x)"


def _error(errors: dict[str, Any]) -> str:
    """The output's error, and the largest share of a budget among all results."""
    text = f"{errors['out'][0]:.1e}"
    shares = [found / budget for found, budget in errors.values() if budget is not None]
    return f"{text}, {max(shares):.2f} of the budget" if shares else f"{text} (softmax)"

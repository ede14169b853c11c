"""Recorded results as a Markdown table: ours, and everybody's time over ours."""

from typing import Any

from splashgen.bench.collected import Collected, milliseconds
from splashgen.bench.peers import OURS, PEERS

__all__ = ["markdown"]


def markdown(results: Collected, peers: tuple[str, ...] = ()) -> list[str]:
    """Lines of the table, a row a cell; ratios are of forward / of forward + backward.

    A ratio above 1 means that ours is faster. A peer that did not run shows its status, one that was not
    measured a dash.
    """
    shown = [peer for name, peer in PEERS.items() if peer is not OURS and (not peers or name in peers)]
    kept = [peer for peer in shown if any(_row(results, key, peer.name) for key in results.keys)]
    titles = ["n", "d", "workload", "density", "forward, ms", "backward, ms", *(peer.title for peer in kept)]
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    for key in sorted(results.keys, key=lambda key: _order(results.cell(key))):
        ours = _row(results, key, OURS.name)
        if ours is None:
            continue
        cell = results.cell(key)
        times = ["-", "-"]
        if ours["status"] == "ok":
            times = [f"{milliseconds(ours, phase):.2f}" for phase in ("forward", "backward")]
        name = cell["workload"] + ("" if cell["causal"] else f", α={cell['alpha']}, not causal")
        density = results.density(key)
        told = [str(cell["seq_len"]), str(cell["head_dim"]), name, f"{density:.2f}", *times]
        told += [_ratios(results, key, peer.name) for peer in kept]
        lines.append(f"| {' | '.join(told)} |")
    return lines


def _order(cell: dict[str, Any]) -> tuple[Any, ...]:
    return not cell["causal"], cell["alpha"], cell["head_dim"], cell["seq_len"], cell["workload"]


def _row(results: Collected, key: str, peer: str) -> dict[str, Any] | None:
    run = results.run(key, peer)
    return None if run is None else run["peers"][peer]


def _ratios(results: Collected, key: str, peer: str) -> str:
    run = results.run(key, peer)
    if run is None:
        return "-"
    theirs, ours = run["peers"][peer], run["peers"].get(OURS.name)
    if theirs["status"] != "ok" or ours is None or ours["status"] != "ok":
        return str(theirs["status"]) if theirs["status"] != "ok" else "-"
    phases = ("forward", "both")
    return " / ".join(f"{milliseconds(theirs, phase) / milliseconds(ours, phase):.2f}" for phase in phases)

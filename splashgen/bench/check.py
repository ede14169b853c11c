"""Targets against results: every ratio is recomputed from raw samples."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

from splashgen.bench.cells import GRID, Cell
from splashgen.bench.collected import Collected, added, milliseconds
from splashgen.bench.facts import MATRIX_SIZE
from splashgen.bench.rowwise import LENGTHS
from splashgen.bench.targets import Band, Target, Targets

__all__ = ["Line", "check"]

_SPARSE_PRODUCTS = 4
"""Per visible tile: scores for the refinement, scores for the output, PV and UV."""


@dataclass(frozen=True, slots=True)
class Line:
    """One cell of one target."""

    target: str
    where: str
    asked: str
    value: float | None
    """None: there is no number, and `reason` says why."""
    met: bool
    reason: str = ""

    def __str__(self) -> str:
        found = "-" if self.value is None else f"{self.value:.3g}"
        mark = "met" if self.met else "MISSED"
        note = f"  {self.reason}" if self.reason else ""
        return f"{mark:<7}{self.target:<38}{self.where:<44}{found:>8}  {self.asked:<8}{note}"


def check(targets: Targets, results: Collected) -> list[Line]:
    """Every cell of every target, in the order of the file."""
    lines: list[Line] = []
    for target in targets.targets:
        if target.kind == "first_call":
            lines.append(_first_call(target, results))
        elif target.kind == "overhead":
            lines += _overhead(target, results)
        elif target.kind in ("copy_share", "entmax_speed"):
            lines += [_entmax(target, n, results) for n in LENGTHS if _within(n, target.seq_len)]
        else:
            lines += _cells(target, results)
    return lines


def _within(value: Any, allowed: tuple[Any, ...] | None) -> bool:
    return allowed is None or value in allowed


def _cells(target: Target, results: Collected) -> Iterator[Line]:
    for cell in GRID:
        about = (
            _within(cell.seq_len, target.seq_len)
            and _within(cell.head_dim, target.head_dim)
            and _within(cell.workload, target.workload)
            and cell.alpha.value in target.alpha
            and cell.causal == target.causal
        )
        density = results.density(cell.key)
        band = target.band(density)
        if about and band is not None:
            yield _cell(target, cell, band, density, results)


def _cell(target: Target, cell: Cell, band: Band, density: float | None, results: Collected) -> Line:
    known = "" if density is None else f" density {density:.2f}"
    alpha = "" if cell.causal else f" α={cell.alpha.value}"
    where = f"n={cell.seq_len} d={cell.head_dim}{alpha} {cell.workload}{known}"
    asked = band.sign if density is not None or len(target.bands) == 1 else f"{band.sign} …"
    run = results.run(cell.key, target.peer or "ours")
    if run is None or density is None:
        return Line(target.name, where, asked, None, False, "not measured")
    theirs = run["peers"][target.peer or "ours"]
    ours = run["peers"].get("ours", theirs)  # a run that a peer broke off has none for ours
    for name, row in ((target.peer or "ours", theirs), ("ours", ours)):
        if row["status"] != "ok":
            return Line(target.name, where, asked, None, False, _no_number(name, row))
    value = _value(target, cell, density, run["made"], ours, theirs)
    if value is None:
        return Line(target.name, where, asked, None, False, "not measured")
    return Line(target.name, where, asked, value, band.meets(value))


def _value(
    target: Target,
    cell: Cell,
    density: float,
    made: dict[str, Any],
    ours: dict[str, Any],
    theirs: dict[str, Any],
) -> float | None:
    match target.kind:
        case "speed":
            return milliseconds(theirs, target.phase) / milliseconds(ours, target.phase)
        case "memory":
            if "peak_bytes" not in ours or "peak_bytes" not in theirs:
                return None
            return float(ours["peak_bytes"]) / float(theirs["peak_bytes"])
        case "error":
            return max(float(found) / float(budget) for found, budget in ours["errors"].values())
        case _:
            if "matrix_product_ms" not in made:
                return None
            flop_a_ms = 2.0 * MATRIX_SIZE**3 / median(made["matrix_product_ms"])
            floor_ms = cell.dense_flop * (1.0 + _SPARSE_PRODUCTS * density) / flop_a_ms
            return milliseconds(ours, target.phase) / floor_ms


def _first_call(target: Target, results: Collected) -> Line:
    call, band = results.first_call(target.phase), target.bands[-1]
    where = f"{target.phase} cache"
    if call is None:
        return Line(target.name, where, band.sign, None, False, "not measured")
    seconds = float(call["seconds"])
    return Line(target.name, where, band.sign, seconds, band.meets(seconds))


def _overhead(target: Target, results: Collected) -> Iterator[Line]:
    band, found = target.bands[-1], results.overhead(target.phase)
    for n, rows in sorted(found.items()):
        ours, bare = (rows.get(name, {"status": "missing", "reason": ""}) for name in ("ours", "bare"))
        where = f"n={n} {target.phase}"
        if "us" not in ours or "us" not in bare:
            name, row = ("ours", ours) if "us" not in ours else ("bare", bare)
            yield Line(target.name, where, band.sign, None, False, _no_number(name, row))
            continue
        value = added(ours["us"], bare["us"])
        yield Line(target.name, where, band.sign, value, band.meets(value))
    if not found:
        yield Line(target.name, target.phase, band.sign, None, False, "not measured")


def _entmax(target: Target, n: int, results: Collected) -> Line:
    band, where = target.bands[-1], f"n={n}"
    rows = results.entmax(n)
    ours, theirs = rows.get("ours"), rows.get(target.peer or "copy")
    if ours is None or theirs is None:
        return Line(target.name, where, band.sign, None, False, "not measured")
    for name, row in (("ours", ours), (target.peer or "copy", theirs)):
        if row["status"] != "ok":
            return Line(target.name, where, band.sign, None, False, _no_number(name, row))
    value = median(theirs["ms"]) / median(ours["ms"])
    return Line(target.name, where, band.sign, value, band.meets(value))


def _no_number(name: str, row: dict[str, Any]) -> str:
    """A ratio without one of its sides is no ratio: it counts as missed, whatever the reason is."""
    return f"not measured: {name} {row['status']}: {row['reason']}"

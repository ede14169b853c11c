"""`Results`: a JSON file of raw samples. Ratios are not stored but computed when it is read."""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from splashgen.bench.cells import Cell
from splashgen.errors import SplashgenError
from splashgen.replacing import replace_file

__all__ = ["BenchError", "Results", "finished_runs"]

_SCHEMA = 1
_VALUES = {"workload": "", "seed": 0}
"""What is left when two cells differ in values alone."""


class BenchError(SplashgenError):
    """Results or targets could not be read."""


class Results:
    """A file of results, read if it exists.

    `data` has `sessions` (where and with what), `cells` (by `Cell.key`: `cell`, `tile_density` and `runs`),
    `entmax`, `solvers`, `first_calls` and `overhead`. A run has all who were timed in turn, with ours.

    Raises
    ------
    BenchError
        If the file is not one of these.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: dict[str, Any] = {"schema": _SCHEMA, "sessions": []}
        self.data |= {"cells": {}, "entmax": {}, "solvers": [], "first_calls": [], "overhead": []}
        if path.exists():
            try:
                self.data = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise BenchError(f"{path} cannot be read as results: {error}") from None
            if not isinstance(self.data, dict) or self.data.get("schema") != _SCHEMA:
                raise BenchError(f"{path} is not a file of results with schema {_SCHEMA}.")

    def begin(self, facts: dict[str, Any]) -> int:
        """Add a session and return its number."""
        self.data["sessions"].append(facts)
        return len(self.data["sessions"]) - 1

    def add_run(self, cell: Cell, density: float, session: int, rows: dict[str, dict[str, Any]]) -> None:
        """Add what is timed in turn in one cell, and save; `rows` may be filled later, and saved again.

        What an earlier run has not finished in this cell is dropped.
        """
        entry = self.data["cells"].setdefault(cell.key, {"cell": _facts(cell), "runs": []})
        entry["tile_density"] = round(density, 4)
        entry["runs"] = list(finished_runs(entry["runs"]))
        entry["runs"].append({"session": session, "peers": rows})
        self.save()

    def density(self, cell: Cell) -> float | None:
        """The tile density of a cell, if it was measured."""
        value = self.data["cells"].get(cell.key, {}).get("tile_density")
        return None if value is None else float(value)

    def finished(self, cell: Cell) -> set[str]:
        """The peers that a cell has a row for; one that was not installed may be by now."""
        return {
            name
            for run in self.data["cells"].get(cell.key, {}).get("runs", ())
            for name, row in run["peers"].items()
            if row["status"] not in ("missing", "unfinished")
        }

    def too_slow(self, cell: Cell, peer: str) -> str | None:
        """Why a peer was cut off at a cell with the same sizes and semantics, a sentence, or None."""
        for entry in self.data["cells"].values():
            if entry["cell"] | _VALUES == _facts(cell) | _VALUES:
                for run in entry["runs"]:
                    row = run["peers"].get(peer, {})
                    if "limit_s" in row:
                        return str(row["reason"])
        return None

    def save(self) -> None:
        """Write the file; readers see the old one or the new one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_finite(self.data), indent=1, ensure_ascii=False, allow_nan=False)
        replace_file(self.path, text + "\n")


def finished_runs(runs: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Runs without the rows of peers that were not timed because the process ended."""
    for run in runs:
        rows = {name: row for name, row in run["peers"].items() if row["status"] != "unfinished"}
        if rows:
            yield {**run, "peers": rows}


def _facts(cell: Cell) -> dict[str, Any]:
    return {
        "seq_len": cell.seq_len,
        "head_dim": cell.head_dim,
        "workload": cell.workload,
        "batch": cell.batch,
        "heads": cell.heads,
        "dtype": cell.dtype.value,
        "alpha": cell.alpha.value,
        "causal": cell.causal,
        "seed": cell.seed,
    }


def _finite(value: Any) -> Any:
    """JSON has no infinity: an error without bounds becomes 1e308."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return 1e308 if isinstance(value, float) and not math.isfinite(value) else value

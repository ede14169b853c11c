"""`Collected`: the newest samples of every cell and peer, from all files of results for one chip."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from splashgen.bench.results import BenchError, Results, finished_runs

__all__ = ["Collected", "added", "milliseconds"]


class Collected:
    """Results of one chip, newer runs before older ones.

    Parameters
    ----------
    files : iterable of Results
        Sessions on other chips are left out.
    gpu : str
        The chip's slug.
    """

    def __init__(self, files: Iterable[Results], gpu: str) -> None:
        self._runs: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self._cells: dict[str, dict[str, Any]] = {}
        self._entmax: dict[int, tuple[str, dict[str, Any]]] = {}
        self._first_calls: list[tuple[str, dict[str, Any]]] = []
        self._overhead: list[tuple[str, dict[str, Any]]] = []
        for file in files:
            sessions = file.data["sessions"]
            for key, cell in file.data["cells"].items():
                kept = [run for run in finished_runs(cell["runs"]) if sessions[run["session"]]["gpu"] == gpu]
                if kept:
                    self._cells[key] = cell
                for run in kept:
                    session = sessions[run["session"]]
                    self._runs.setdefault(key, []).append((session["date"], {**run, "made": session}))
            for n, rows in file.data["entmax"].items():
                date = sessions[rows["session"]]["date"]
                if sessions[rows["session"]]["gpu"] == gpu and date > self._entmax.get(int(n), ("",))[0]:
                    self._entmax[int(n)] = date, rows["peers"]
            self._first_calls += [
                (sessions[call["session"]]["date"], call)
                for call in file.data["first_calls"]
                if sessions[call["session"]]["gpu"] == gpu
            ]
            self._overhead += [
                (sessions[calls["session"]]["date"], calls)
                for calls in file.data.get("overhead", ())
                if sessions[calls["session"]]["gpu"] == gpu
            ]
        for runs in self._runs.values():
            runs.sort(key=lambda run: run[0], reverse=True)

    @classmethod
    def of_folder(cls, folder: Path, gpu: str) -> "Collected":
        """All results in a folder.

        Raises
        ------
        BenchError
            If there are none.
        """
        paths = sorted(folder.glob("*.json"))
        if not paths:
            raise BenchError(f"There are no results in {folder}; name another folder with --results.")
        return cls(map(Results, paths), gpu)

    @property
    def keys(self) -> list[str]:
        """The keys of the cells that were measured."""
        return list(self._cells)

    def cell(self, key: str) -> dict[str, Any]:
        """The sizes of a measured cell."""
        facts: dict[str, Any] = self._cells[key]["cell"]
        return facts

    def density(self, key: str) -> float | None:
        """The measured tile density of a cell."""
        return self._cells[key]["tile_density"] if key in self._cells else None

    def run(self, key: str, peer: str) -> dict[str, Any] | None:
        """The newest run of a cell that has a row for a peer."""
        return next((run for _, run in self._runs.get(key, ()) if peer in run["peers"]), None)

    def entmax(self, n: int) -> dict[str, Any]:
        """The rows of row-wise entmax at a length, by peer."""
        return self._entmax.get(n, ("", {}))[1]

    def first_call(self, cache: str) -> dict[str, Any] | None:
        """Our newest first call with a `cold` or `warm` cache."""
        found = [
            call for call in self._first_calls if call[1]["cache"] == cache and call[1]["peer"] == "ours"
        ]
        return max(found, key=lambda call: call[0])[1] if found else None

    def overhead(self, call: str) -> dict[int, dict[str, Any]]:
        """The newest rows of a kind of call, by peer, for each length."""
        found = sorted(self._overhead, key=lambda calls: calls[0])
        return {calls["seq_len"]: calls["peers"] for _, calls in found if calls["call"] == call}


def milliseconds(row: dict[str, Any], phase: str) -> float:
    """The median time of a row: forward, backward, or of their sums round by round."""
    if phase != "both":
        return median(row[f"{phase}_ms"])
    return median(map(sum, zip(row["forward_ms"], row["backward_ms"], strict=True)))


def added(ours: Sequence[float], bare: Sequence[float]) -> float:
    """The median of what ours took beyond the bare one in the same round: what a round shares cancels."""
    return median(own - least for own, least in zip(ours, bare, strict=True))

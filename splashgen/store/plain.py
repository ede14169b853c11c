"""Entries and files as the plain values that YAML and JSON spell: what `schema` reads back."""

from dataclasses import asdict
from typing import Any

from splashgen.store.entry import Entry, Regime, Status, Timing, TunedFile

__all__ = ["plain", "plain_entry"]


def plain(file: TunedFile) -> dict[str, Any]:
    """The mappings that YAML spells, in the order in which they are written."""
    return {
        "schema": 1,
        "gpu": asdict(file.gpu),
        "provenance": asdict(file.provenance),
        "entries": [plain_entry(entry) for entry in file.entries],
    }


def plain_entry(entry: Entry) -> dict[str, Any]:
    """One entry as plain values; what is empty or as usual is left out."""
    values: dict[str, Any] = {"problem": entry.problem.as_dict()}
    if entry.regime is not Regime.MIXED:
        values["regime"] = entry.regime.value
    values |= {
        "family": entry.config.family,
        "config": entry.config.as_dict(),
        "code_hash": entry.code_hash,
        "status": Status(entry.status).value,
    }
    if entry.failure:
        values["failure"] = entry.failure
    if entry.status is Status.PLANNED:
        values["predicted_ms"] = _short(entry.time_ms.median)
    else:
        values["time_ms"] = _plain_timing(entry.time_ms)
    if entry.default_time_ms:
        values["default_time_ms"] = _plain_timing(entry.default_time_ms)
    if entry.error:
        values["error"] = {name: _short(value) for name, value in entry.error.items()}
    if entry.runner_up:
        second = entry.runner_up
        values["runner_up"] = {
            "family": second.config.family,
            "config": second.config.as_dict(),
            "time_ms": _plain_timing(second.time_ms),
        }
    values |= {"trials": entry.trials, "tuned_at": entry.tuned_at}
    if entry.provenance:
        values["provenance"] = asdict(entry.provenance)
    return values


def _plain_timing(timing: Timing) -> dict[str, float]:
    return {"median": _short(timing.median), "low": _short(timing.low), "high": _short(timing.high)}


def _short(value: float) -> float:
    """Six digits: more is noise, and makes diffs long."""
    return float(f"{value:.6g}")

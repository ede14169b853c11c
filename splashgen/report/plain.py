"""The report as plain values for JSON."""

import math
from dataclasses import asdict
from typing import Any

from splashgen.report.contents import Contents, speed_up
from splashgen.report.findings import conditions, convergence, frontier, importance, losses
from splashgen.report.histories import Candidate, History
from splashgen.store.plain import plain_entry

__all__ = ["as_json"]


def as_json(contents: Contents) -> dict[str, Any]:
    """Everything that the page shows, and every candidate; times are in milliseconds and seconds.

    JSON has no NaN and no infinity: an error that is one becomes null, beside the reason that names it.
    """
    plain: dict[str, Any] = _finite(_all(contents))
    return plain


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _all(contents: Contents) -> dict[str, Any]:
    return {
        "made": contents.made,
        "made_with": asdict(contents.here),
        "speed_up": contents.speed_up,
        "problems": [_history(history) for history in contents.histories],
        "coverage": [
            {
                "problem": problem.as_dict(),
                "chips": {chip: covered.states[problem, chip] for chip in covered.chips},
            }
            for covered in contents.coverage
            for problem in covered.problems
        ],
        "tables": [
            {
                "file": table.path.name,
                "source": table.source.value,
                "gpu": table.file.gpu.name if table.file else None,
                "entries": len(table.file.entries) if table.file else 0,
                "provenance": asdict(table.file.provenance) if table.file else None,
                "trouble": table.trouble or None,
            }
            for table in contents.tables
        ],
        "foreign_studies": list(contents.foreign),
    }


def _history(history: History) -> dict[str, Any]:
    return {
        "study": history.study,
        "problem": history.problem.as_dict(),
        "regime": history.regime.value,
        "gpu": asdict(history.gpu),
        "versions": history.versions,
        "entry": plain_entry(history.entry) if history.entry else None,
        "speed_up": speed_up(history),
        "reason": history.reason or None,
        "seconds": history.seconds,
        "seconds_to_stored": history.whole,
        "unevaluated": history.unevaluated,
        "default": history.default.as_dict(),
        "candidates": [_candidate(one) for one in history.candidates],
        "finalists": [one.as_dict() for one in history.finalists],
        "convergence": [
            {"candidate": number, "seconds": seconds, "best_ms": best}
            for number, seconds, best in convergence(history)
        ],
        "importance": importance(history),
        "conditions": asdict(told) if (told := conditions(history)) else None,
        "pareto_front": [one.number for one in frontier(history.candidates)],
        "rejected": {loss.status.value: [one.number for one in loss.candidates] for loss in losses(history)},
    }


def _candidate(one: Candidate) -> dict[str, Any]:
    outcome = one.outcome
    return {
        "number": one.number,
        "seconds": one.spent,
        "family": one.config.family,
        "config": one.config.as_dict(),
        "status": outcome.status.value,
        "reason": outcome.reason or None,
        "median_ms": outcome.median if outcome.ok else None,
        "errors": dict(outcome.errors),
        "error_of_budget": one.closeness,
    }

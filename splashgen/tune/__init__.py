"""Tuning: search, gate, timing and confirmation of configs on the device that is here.

The tuner owns the study and the decisions; candidates run in a worker process that it can lose.
Names are imported on first use, so that the worker starts without the tuner's dependencies.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splashgen.tune.limits import Limits
    from splashgen.tune.measure.outcome import Outcome, Status
    from splashgen.tune.presets import preset
    from splashgen.tune.show.report import Report
    from splashgen.tune.target import choose_gpu
    from splashgen.tune.tuner import tune, work

__all__ = ["Limits", "Outcome", "Report", "Status", "choose_gpu", "preset", "tune", "work"]

_HOMES = {
    "Limits": "limits",
    "Outcome": "measure.outcome",
    "Report": "show.report",
    "Status": "measure.outcome",
    "choose_gpu": "target",
    "preset": "presets",
    "tune": "tuner",
    "work": "tuner",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

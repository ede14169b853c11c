"""Workers that time entmax on the gate's 33 rows, not on a million elements: where times do not matter."""

from dataclasses import replace

import splashgen.cases.entmax
from splashgen.store import Regime
from splashgen.tune.measure.bench import Tools
from splashgen.tune.measure.evaluate import ShootOut, Trial, run_shoot_out, run_trial
from splashgen.tune.measure.outcome import Outcome

__all__ = ["TOOLS"]


def trial(task: Trial) -> Outcome:
    """`run_trial` on few rows."""
    _install()
    return run_trial(task)


def shoot_out(task: ShootOut) -> tuple[tuple[float, ...], ...]:
    """`run_shoot_out` on few rows."""
    _install()
    return run_shoot_out(task)


def _install() -> None:
    case = splashgen.cases.entmax.CASE
    splashgen.cases.entmax.CASE = replace(case, timed={Regime.MIXED: ("gaussian",)})


TOOLS = Tools(trial=trial, shoot_out=shoot_out)

"""Puts the faulty family in front of the real ones, in this process and in the worker."""

import sys
from dataclasses import replace
from pathlib import Path

import jinja2

import splashgen.cases.entmax
import splashgen.families
import splashgen.render
from splashgen.alpha import AlphaClass
from splashgen.problem import DType, Operation, Problem
from splashgen.store import Regime
from splashgen.tune.measure.bench import Tools
from splashgen.tune.measure.evaluate import ShootOut, Trial, judge_finalist, run_shoot_out, run_trial
from splashgen.tune.measure.outcome import Outcome, Status

CASE = splashgen.cases.entmax.CASE
FOLDER = Path(__file__).parent / "fakes"
PROBLEM = Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, seq_len=64, training=False)


def install() -> None:
    """Make `aaa_faulty` the family of CPU entmax, timed on few rows, until `remove`."""
    if str(FOLDER) in splashgen.families.__path__:
        return
    splashgen.families.__path__.append(str(FOLDER))
    splashgen.families.families.cache_clear()
    splashgen.cases.entmax.CASE = replace(CASE, timed={Regime.MIXED: ("gaussian",)})
    jinja = splashgen.render.environment()
    jinja.loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(FOLDER), jinja.loader])


def remove() -> None:
    """Undo `install`."""
    splashgen.families.__path__.remove(str(FOLDER))
    splashgen.families.families.cache_clear()
    splashgen.cases.entmax.CASE = CASE
    splashgen.render.environment.cache_clear()


def trial(task: Trial) -> Outcome:
    """`run_trial` where the worker knows the faulty family."""
    install()
    return run_trial(task)


def careful(task: Trial) -> Outcome:
    """`trial` but for the faults that take the worker down, each of which would cost a new one."""
    if task.config["fault"] in ("hang", "abort"):
        return Outcome(Status.FAILED, "It would take the worker down.")
    return trial(task)


def finalist(task: Trial) -> Outcome:
    """`judge_finalist` where the worker knows the faulty family."""
    install()
    return judge_finalist(task)


def memoryless(task: ShootOut) -> tuple[tuple[float, ...], ...]:
    """A shoot-out for which there is no room."""
    raise MemoryError("Two finalists do not fit beside each other.")


def shoot_out(task: ShootOut) -> tuple[tuple[float, ...], ...]:
    """`run_shoot_out` where the worker knows the faulty family."""
    install()
    return run_shoot_out(task)


def reject(task: Trial) -> Outcome:
    """Everything is wrong."""
    return Outcome(Status.WRONG, "It is wrong.")


def reject_the_fastest(task: Trial) -> Outcome:
    """The final gate finds a fault that the trials' gate missed."""
    return reject(task) if task.config["delay_ms"] == 1 else finalist(task)


def loaded(module: str) -> bool:
    """Whether the worker has imported a module."""
    return module in sys.modules


TOOLS = Tools(trial, finalist, shoot_out)
CAREFUL = replace(TOOLS, trial=careful)

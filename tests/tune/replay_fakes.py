"""Workers that replay: a candidate's time follows from its config, and what was evaluated is written down."""

import hashlib
import os
import time
from pathlib import Path

from splashgen.config import Config
from splashgen.gpu import CPU
from splashgen.problem import DType
from splashgen.tune.database.storage import open_storage
from splashgen.tune.limits import Limits
from splashgen.tune.measure.bench import Tools
from splashgen.tune.measure.evaluate import ShootOut, Trial
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.presets import entmax
from splashgen.tune.tuner import tune, work

PROBLEMS = tuple(entmax(dtype, 1024) for dtype in (DType.FLOAT32, DType.FLOAT64))
"""20 candidates each."""
LIMITS = Limits(trials=100, candidate_seconds=100.0, timing_seconds=0.1, shoot_out_seconds=0.2)
BEAT, GRACE = 0.3, 2.0
"""Seconds; generous ones would make the test wait."""


def milliseconds(config: Config) -> float:
    """Between 1 and 2, and the same everywhere."""
    return 1.0 + int(hashlib.sha256(str(config).encode()).hexdigest()[:4], 16) / 65536


def trial(task: Trial) -> Outcome:
    """Writes down that it began, waits until all of SPLASHGEN_TEST_CREW have, and hangs if told to."""
    folder = Path(os.environ["SPLASHGEN_TEST_LOG"])
    mine = folder / f"{os.environ['SPLASHGEN_TEST_WORKER']}.log"
    with mine.open("a") as log:
        log.write(f"{task.problem.dtype.value} {task.config}\n")
    deadline, crew = time.monotonic() + 90.0, os.environ.get("SPLASHGEN_TEST_CREW", "").split()
    while not all((folder / f"{name}.log").exists() for name in crew):
        if time.monotonic() > deadline:
            raise TimeoutError("The others have not begun.")
        time.sleep(0.05)
    if os.environ.get("SPLASHGEN_TEST_STUCK") and len(mine.read_text().splitlines()) == 2:
        (folder / "stuck").touch()
        time.sleep(3600.0)
    time.sleep(0.1)
    return Outcome(Status.OK, samples=(milliseconds(task.config),) * 5)


def finalist(task: Trial) -> Outcome:
    """All are good."""
    return Outcome(Status.OK)


def shoot_out(task: ShootOut) -> tuple[tuple[float, ...], ...]:
    """The same times again."""
    return tuple((milliseconds(config),) * 5 for config in task.configs)


TOOLS = Tools(trial, finalist, shoot_out)


def main(what: str) -> None:
    """`tune` or `work` on the storage in SPLASHGEN_STORAGE."""
    storage = open_storage(os.environ["SPLASHGEN_STORAGE"], beat_seconds=BEAT, grace_seconds=GRACE)
    if what == "tune":
        tune(PROBLEMS, CPU, LIMITS, storage=storage, tools=TOOLS)
    else:
        work(storage, CPU, tools=TOOLS)

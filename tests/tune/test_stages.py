"""Ctrl-C and SIGKILL at every stage of a problem: the same call goes on, and nothing is lost."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import forked_workers
import pytest
import replay_fakes
from replay_fakes import LIMITS, PROBLEMS

from splashgen.gpu import CPU, Gpu
from splashgen.store import load, user_folder
from splashgen.tune import campaign, tuner
from splashgen.tune.measure.evaluate import Trial
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.show.report import Report
from splashgen.tune.study.journal import Journal
from splashgen.tune.tuner import tune

STAGES = ("compiling", "gate and timing", "final gate", "shoot-out", "saving", "closing")
QUICKLY = [
    stage if stage in ("gate and timing", "saving") else pytest.param(stage, marks=pytest.mark.slow)
    for stage in STAGES
]
TRIALS = 6
Strike = Callable[[], None]


class Bench:
    """Works in this process, so that a blow hits the tuner itself; candidates are counted."""

    strike_at: str = ""
    strike: Strike = staticmethod(lambda: None)
    trials: int = 0

    def __init__(self, tools: object, seconds: float) -> None:
        self._done = 0

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def prepare(self, gpu: Gpu) -> None:
        pass

    def trial(self, task: Trial, meanwhile: Callable[[], None]) -> Outcome:
        meanwhile()
        Bench.trials += 1
        self._done += 1
        if self._done == 3:
            _pass("gate and timing")
        return Outcome(Status.OK, samples=(replay_fakes.milliseconds(task.config),) * 5)

    def finalist(self, task: Trial) -> Outcome:
        _pass("final gate")
        return replay_fakes.finalist(task)

    def shoot_out(self, task: Any) -> tuple[tuple[float, ...], ...]:
        _pass("shoot-out")
        return replay_fakes.shoot_out(task)


class Pool:
    """Compiles nothing, at once; `Pipeline` takes it for a GPU's."""

    pending = 0

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def submit(self, job: object) -> "Future[Any]":
        _pass("compiling")
        future: Future[Any] = Future()
        future.set_result(())
        return future


class SlowStart(Pool):
    """Nothing is compiled before three seconds have passed; after it everything is, at once."""

    def __init__(self) -> None:
        self._warm = time.monotonic() + 3.0

    def submit(self, job: object) -> "Future[Any]":
        future: Future[Any] = Future()
        threading.Timer(max(self._warm - time.monotonic(), 0.0), future.set_result, [()]).start()
        return future


def _pass(stage: str) -> None:
    """Strike once, if this is where."""
    if Bench.strike_at == stage:
        Bench.strike_at = ""
        Bench.strike()


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    _patch(monkeypatch)


def _patch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole loop in this process, with a blow before each stage."""

    def saved(*arguments: Any) -> Path:
        _pass("saving")
        return save(*arguments)

    def finished(journal: Journal, result: Any) -> None:
        _pass("closing")
        finish(journal, result)

    save, finish = campaign.save, Journal.finish
    monkeypatch.setattr(campaign, "save", saved)
    monkeypatch.setattr(Journal, "finish", finished)
    monkeypatch.setattr(tuner, "Bench", Bench)
    monkeypatch.setattr(tuner, "compile_pool", lambda gpu, seconds: Pool())
    monkeypatch.setattr(Bench, "trials", 0)


def _tuned() -> Report:
    return tune(PROBLEMS[:1], CPU, replace(LIMITS, trials=TRIALS))


def _check(report: Report) -> None:
    (ended,) = report.ended
    assert not report.interrupted
    assert ended.entry is not None and ended.entry.trials == TRIALS
    assert load(user_folder() / "cpu.yaml").entries[0].config == ended.entry.config
    assert _tuned().ended[0].skipped, "the study is closed"


def test_the_wait_for_the_first_kernel_is_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuner, "compile_pool", lambda gpu, seconds: SlowStart())
    (ended,) = tune(PROBLEMS[:1], CPU, replace(LIMITS, trials=TRIALS, seconds=2.5)).ended
    assert ended.entry is not None and ended.entry.trials == TRIALS


@pytest.mark.parametrize("stage", QUICKLY)
def test_ctrl_c(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Bench, "strike_at", stage)
    monkeypatch.setattr(Bench, "strike", staticmethod(interrupt))
    report = _tuned()
    assert report.interrupted
    if STAGES.index(stage) > 0:
        assert report.ended[0].entry is not None, "the best so far is stored"
        assert load(user_folder() / "cpu.yaml").entries[0].config == report.ended[0].entry.config
    _check(_tuned())
    assert Bench.trials <= TRIALS + 1, "only what was in flight is done again"


def die_at(stage: str) -> None:
    """In a process of its own: be killed at a stage."""
    Bench.strike_at = stage
    Bench.strike = staticmethod(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.MonkeyPatch.context() as monkeypatch:
        _patch(monkeypatch)
        _tuned()


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("stage", QUICKLY)
def test_sigkill(stage: str) -> None:
    """Not by a fork of this process: threads that other tests left behind may hold locks for ever."""
    assert forked_workers.run(die_at, stage) == -signal.SIGKILL
    _check(_tuned())
    done_before = {"compiling": 0, "gate and timing": 2}.get(stage, TRIALS)
    assert Bench.trials == TRIALS - done_before, "what was told is kept, all else is done"

"""Ctrl-C is noted at once and raised where the tuner looks; the second one raises wherever it is."""

import os
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import replay_fakes
from replay_fakes import LIMITS, PROBLEMS

from splashgen.gpu import CPU
from splashgen.tune import tuner
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.processes import interrupt
from splashgen.tune.processes.process import Process
from splashgen.tune.show.events import Event, Interrupted, Notify, ProblemEnded, ShootOutStarted, TrialEnded
from splashgen.tune.show.report import Report
from splashgen.tune.tuner import tune


@pytest.fixture(autouse=True)
def handler_is_restored() -> Iterator[None]:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def _soon() -> None:
    threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()


class _Object:
    """Something that can be referred to weakly."""


def test_the_first_is_raised_by_look_alone_and_once() -> None:
    with interrupt.deferred():
        _ctrl_c()
        assert interrupt.noted()
        with pytest.raises(KeyboardInterrupt):
            interrupt.look()
        interrupt.look()


def test_it_is_not_lost_in_a_callback_of_the_collector() -> None:
    with interrupt.deferred():
        one = _Object()
        held = weakref.ref(one, lambda reference: _ctrl_c())
        del one
        assert held() is None
        with pytest.raises(KeyboardInterrupt):
            interrupt.look()


def test_the_second_raises_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), interrupt.deferred():
        _ctrl_c()
        with pytest.raises(KeyboardInterrupt):
            interrupt.look()
        _ctrl_c()
        pytest.fail("It went on.")


def test_it_ends_a_pause_and_the_wait_for_a_call() -> None:
    began = time.monotonic()
    with interrupt.deferred():
        _soon()
        with pytest.raises(KeyboardInterrupt):
            interrupt.pause(60)
    with Process() as process, interrupt.deferred():
        _soon()
        with pytest.raises(KeyboardInterrupt):
            process.call(time.sleep, 60, limit_s=60)
    assert time.monotonic() - began < 30


def test_a_wait_ends_when_it_is_ready_or_over() -> None:
    answers = iter([False, False, "ready"])
    assert interrupt.until(lambda seconds: next(answers)) == "ready"
    assert interrupt.until(lambda seconds: time.sleep(seconds), 0.25) is None


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda number, frame: None])
def test_a_handler_of_the_application_stays(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGINT, handler)
    with interrupt.deferred():
        assert signal.getsignal(signal.SIGINT) is handler
        _ctrl_c()
        interrupt.look()
    assert signal.getsignal(signal.SIGINT) is handler
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates cost nothing."""
    bench = SimpleNamespace(
        trial=lambda task, meanwhile: Outcome(
            Status.OK, samples=(replay_fakes.milliseconds(task.config),) * 5
        ),
        finalist=replay_fakes.finalist,
        shoot_out=replay_fakes.shoot_out,
    )
    monkeypatch.setattr(tuner, "Bench", lambda tools, seconds: nullcontext(bench))


def _tuned(notify: Notify = lambda event: None) -> Report:
    return tune(PROBLEMS[:1], CPU, replace(LIMITS, trials=4), notify=notify)


@pytest.mark.usefixtures("in_process")
def test_a_thread_tunes_and_leaves_the_signal_alone() -> None:
    with ThreadPoolExecutor(1) as threads:
        report = threads.submit(_tuned).result(timeout=60)
    assert report.ended[0].entry is not None and not report.interrupted


@pytest.mark.usefixtures("in_process")
def test_the_first_keeps_the_best_so_far_and_leaves_the_rest_for_another_run() -> None:
    heard: list[Event] = []

    def strike(event: Event) -> None:
        heard.append(event)
        if isinstance(event, TrialEnded):
            _ctrl_c()

    report = _tuned(strike)
    assert report.interrupted and report.ended[0].entry is not None
    assert sum(isinstance(event, TrialEnded) for event in heard) == 1
    told = [type(event) for event in heard]
    assert told.index(Interrupted) == told.index(TrialEnded) + 1 < told.index(ShootOutStarted)
    assert not _tuned().interrupted


@pytest.mark.usefixtures("in_process")
def test_one_after_the_last_look_is_told_and_costs_nothing() -> None:
    report = _tuned(lambda event: _ctrl_c() if isinstance(event, ProblemEnded) else None)
    assert report.interrupted and report.ended[0].entry is not None
    assert _tuned().ended[0].skipped


@pytest.mark.usefixtures("in_process")
def test_the_second_ends_the_shoot_out_that_followed_the_first() -> None:
    shoot_outs = 0

    def strike(event: Event) -> None:
        nonlocal shoot_outs
        shoot_outs += isinstance(event, ShootOutStarted)
        if isinstance(event, TrialEnded | ShootOutStarted):
            _ctrl_c()

    with pytest.raises(KeyboardInterrupt):
        _tuned(strike)
    assert shoot_outs == 1

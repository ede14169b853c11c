"""The gate and the worker against candidates that go wrong, each in its own way."""

from collections.abc import Iterator
from statistics import median

import pytest
import tune_fakes
from tune_fakes import PROBLEM, TOOLS

from splashgen.config import Config
from splashgen.gpu import CPU
from splashgen.tune.measure.bench import Bench
from splashgen.tune.measure.evaluate import Anchor, ShootOut, Trial
from splashgen.tune.measure.outcome import Outcome, Status

pytestmark = pytest.mark.usefixtures("faulty")


def _config(fault: str = "none", delay_ms: int = 1) -> Config:
    return Config.of("aaa_faulty", {"fault": fault, "delay_ms": delay_ms, "comment": 0})


def _trial(fault: str, anchor: Anchor | None = None, delay_ms: int = 1) -> Trial:
    laps = anchor.laps if anchor else ()
    return Trial(PROBLEM, _config(fault, delay_ms), CPU, seed=1, seconds=0.05, anchor=anchor, best=laps)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench(TOOLS, candidate_seconds=15.0) as bench:
        yield bench


def test_a_healthy_candidate_is_timed(bench: Bench) -> None:
    outcome = bench.trial(_trial("none"))
    assert outcome.status is Status.OK, outcome.reason
    assert outcome.median >= 1.0
    assert 0 <= outcome.errors["out"] <= outcome.errors["out_budget"]


def test_a_worker_does_not_load_torchs_compiler(bench: Bench) -> None:
    bench.trial(_trial("none"))
    assert not bench._process.call(tune_fakes.loaded, "torch._inductor.config", limit_s=30.0)


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("wrong", Status.WRONG, "seed"),
        ("unwritten", Status.WRONG, "seed"),
        ("abort", Status.CRASHED, "SIGABRT"),
        ("raise", Status.FAILED, "This config is not for rows"),
    ],
)
def test_a_faulty_candidate_is_rejected_with_its_reason(
    bench: Bench, fault: str, status: Status, reason: str
) -> None:
    outcome = bench.trial(_trial(fault))
    assert outcome.status is status
    assert reason in outcome.reason
    assert outcome.samples == ()


@pytest.mark.slow
def test_a_hanging_candidate_is_ended_and_the_next_one_runs() -> None:
    with Bench(TOOLS, candidate_seconds=2.0) as bench:
        outcome = bench.trial(_trial("hang"))
        assert outcome.status is Status.HUNG
        assert "did not end within 2 s" in outcome.reason
        assert bench.trial(_trial("none")).ok


def test_the_worst_error_is_kept_of_a_wrong_candidate(bench: Bench) -> None:
    errors = bench.trial(_trial("wrong")).errors
    assert errors["out"] > errors["out_budget"]


def test_a_hopeless_candidate_is_timed_twice(bench: Bench) -> None:
    best = bench.trial(_trial("none"))
    anchor = Anchor.of(_config(), best)
    assert anchor is not None and Anchor.of(_config(), Outcome(Status.OK)) is None
    assert len(bench.trial(_trial("none", anchor, delay_ms=8)).samples) == 2


def test_the_shoot_out_pairs_its_samples(bench: Bench) -> None:
    configs = tuple(_trial("none", delay_ms=delay).config for delay in (1, 8))
    fast, slow = bench.shoot_out(ShootOut(PROBLEM, configs, CPU, seed=0, seconds=0.2))
    assert len(fast) == len(slow) >= 5
    assert median(fast) < median(slow)

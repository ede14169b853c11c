"""Regimes: what a problem is timed on decides which study, which holder and which entry it has."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from splashgen.alpha import AlphaClass
from splashgen.families import family_for
from splashgen.gpu import CPU
from splashgen.problem import DType, Operation, Problem
from splashgen.store import Regime, Rung, load, lookup, save, user_folder
from splashgen.tune.database.storage import open_storage
from splashgen.tune.limits import Limits
from splashgen.tune.measure import bench
from splashgen.tune.measure.bench import Tools
from splashgen.tune.measure.evaluate import ShootOut, Trial
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.search.warm import incumbent, relatives, stored
from splashgen.tune.show.events import Event, TrialEnded
from splashgen.tune.study.studies import open_studies
from splashgen.tune.tuner import tune, work

PROBLEM = Problem(
    Operation.ATTENTION, AlphaClass.THREE_HALVES, DType.FLOAT32, 128, 32, 32, training=False, causal=True
)
ROWS = Problem(Operation.ENTMAX, AlphaClass.THREE_HALVES, DType.FLOAT32, 128, training=False)
SPACE = family_for(PROBLEM, CPU).space.narrowed(PROBLEM, CPU)
PARAMETER = next(name for name, values in SPACE.choices.items() if len(values) > 1)
DENSE, SPARSE = (SPACE.choices[PARAMETER][place] for place in (0, -1))
"""The values that the fakes find fastest on dense and on sparse scores."""
LIMITS = Limits(trials=16, shoot_out_seconds=0.1)


def _ms(task: Trial | ShootOut, config) -> float:
    liked = {Regime.DENSE: DENSE, Regime.SPARSE: SPARSE}.get(task.regime)
    return 1.0 if config[PARAMETER] == liked else 2.0


def _trial(task: Trial) -> Outcome:
    return Outcome(Status.OK, samples=(_ms(task, task.config),) * 5)


def _shoot_out(task: ShootOut) -> tuple[tuple[float, ...], ...]:
    return tuple((_ms(task, config),) * 5 for config in task.configs)


FAKES = Tools(_trial, _trial, _shoot_out)


class InThisProcess:
    """What needs no other process: nothing here crashes or hangs."""

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        limit_s: float,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Any:
        meanwhile()
        return function(*arguments)

    def close(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no worker."""
    monkeypatch.setattr(bench, "Process", InThisProcess)


def test_each_regime_has_its_study_and_its_winner() -> None:
    events: list[Event] = []
    report = tune(
        [PROBLEM, ROWS], CPU, LIMITS, regimes=[Regime.DENSE, Regime.SPARSE], notify=events.append, tools=FAKES
    )
    assert [(ended.problem, ended.regime) for ended in report.ended] == [
        (PROBLEM, Regime.DENSE),
        (PROBLEM, Regime.SPARSE),
    ], "entmax has the mixture alone"
    entries = {entry.regime: entry for entry in load(report.ended[0].path).entries}
    assert entries[Regime.DENSE].config[PARAMETER] == DENSE
    assert entries[Regime.SPARSE].config[PARAMETER] == SPARSE
    told = {event.regime for event in events if isinstance(event, TrialEnded)}
    assert told == {Regime.DENSE, Regime.SPARSE}

    for regime in (Regime.DENSE, Regime.SPARSE):
        match = lookup(PROBLEM, CPU, regime)
        assert (match.rung, match.entry) == (Rung.EXACT, entries[regime])
    assert lookup(PROBLEM, CPU).rung is Rung.DEFAULT, "what was tuned for one regime says nothing of both"
    again = tune([PROBLEM], CPU, LIMITS, regimes=[Regime.SPARSE], tools=FAKES)
    assert again.ended[0].skipped and again.ended[0].entry == entries[Regime.SPARSE]


def test_a_worker_takes_the_regime_from_the_study(folders: Path) -> None:
    storage = open_storage(folders / "shared")

    def stop(event: Event) -> None:
        if isinstance(event, TrialEnded):
            raise KeyboardInterrupt

    limits = Limits(trials=2, shoot_out_seconds=0.1)
    tune([PROBLEM], CPU, limits, regimes=[Regime.SPARSE], storage=storage, notify=stop, tools=FAKES)
    (study,) = open_studies(storage, CPU)
    assert study.regime is Regime.SPARSE and "sparse scores" in study.name
    (ended,) = work(storage, CPU, tools=FAKES).ended
    assert ended.regime is Regime.SPARSE and ended.entry.regime is Regime.SPARSE


def test_the_mixture_holds_the_place_of_a_regime_that_has_none(folders: Path) -> None:
    (mixed,) = tune([PROBLEM], CPU, Limits(trials=1, shoot_out_seconds=0.1), tools=FAKES).ended
    assert incumbent(PROBLEM, CPU, regime=Regime.SPARSE) == mixed.entry.config
    (sparse,) = tune([PROBLEM], CPU, LIMITS, regimes=[Regime.SPARSE], tools=FAKES).ended
    assert sparse.entry.config[PARAMETER] == SPARSE
    assert incumbent(PROBLEM, CPU, regime=Regime.SPARSE) == sparse.entry.config
    assert incumbent(PROBLEM, CPU, regime=Regime.DENSE) == mixed.entry.config
    assert incumbent(PROBLEM, CPU) == mixed.entry.config
    assert relatives(PROBLEM, CPU, Regime.SPARSE)[:2] == (sparse.entry.config, mixed.entry.config)
    elsewhere = folders / "elsewhere"
    save(CPU, [mixed.entry], elsewhere)
    assert incumbent(PROBLEM, CPU, elsewhere, Regime.SPARSE) == mixed.entry.config


def test_a_chip_of_the_same_name_and_another_size_holds_no_place_but_gives_advice(folders: Path) -> None:
    """What won on 2 cores is not the winner on 96, and a good place to begin."""
    (small,) = tune([PROBLEM], CPU, LIMITS, regimes=[Regime.SPARSE], tools=FAKES).ended
    larger = replace(CPU, multiprocessors=CPU.multiprocessors + 1)
    assert stored(PROBLEM, CPU, regime=Regime.SPARSE)[1].config == small.entry.config
    assert stored(PROBLEM, larger, regime=Regime.SPARSE) is None
    assert incumbent(PROBLEM, larger, regime=Regime.SPARSE) is None
    assert small.entry.config in relatives(PROBLEM, larger, Regime.SPARSE)


def test_a_regime_that_no_problem_has_is_refused() -> None:
    with pytest.raises(ValueError, match="sparsity is 'dense', but entmax is tuned for mixed scores only"):
        tune([ROWS], CPU, LIMITS, regimes=[Regime.DENSE], tools=FAKES)


def test_real_kernels_are_timed_on_the_regime_s_own_inputs() -> None:
    events: list[Event] = []
    limits = Limits(trials=2, timing_seconds=0.05, shoot_out_seconds=0.2)
    (ended,) = tune([PROBLEM], CPU, limits, regimes=[Regime.SPARSE], notify=events.append).ended
    assert ended.entry.regime is Regime.SPARSE and ended.entry.error["out"] <= ended.entry.error["out_budget"]
    inputs = {len(event.outcome.laps) for event in events if isinstance(event, TrialEnded)}
    assert inputs == {2}, "one workload at two lengths; the mixture has two workloads"


def test_what_won_for_one_problem_is_tried_early_for_the_next() -> None:
    tune([PROBLEM], CPU, LIMITS, regimes=[Regime.SPARSE], tools=FAKES)
    (won,) = {entry.config for entry in load(next(user_folder().glob("*.yaml"))).entries}
    other, events = replace(PROBLEM, causal=False, seq_len=4096), list[Event]()
    assert lookup(other, CPU, Regime.SPARSE).config != won, "dispatch does not carry it so far"
    tune([other], CPU, Limits(trials=4, shoot_out_seconds=0.1), notify=events.append, tools=FAKES)
    assert won in [event.config for event in events if isinstance(event, TrialEnded)]

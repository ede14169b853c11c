"""Entries are checked anew: what passes is renewed, what fails stays as it was."""

from dataclasses import replace
from pathlib import Path

import pytest

from splashgen.alpha import AlphaClass
from splashgen.families import family_for
from splashgen.gpu import CPU
from splashgen.problem import DType, Operation, Problem
from splashgen.render import render
from splashgen.store import Entry, Regime, Rung, load, lookup, save
from splashgen.store.entry import Status, Timing
from splashgen.tune.database.state import state_folder
from splashgen.tune.device import GpuBusyError
from splashgen.tune.measure.bench import Bench, Tools
from splashgen.tune.measure.evaluate import Trial
from splashgen.tune.measure.outcome import Outcome
from splashgen.tune.measure.outcome import Status as Ended
from splashgen.verify import stored_entries, verify

PROBLEM = Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, 64)


@pytest.fixture
def stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """An entry of this CPU whose code is of another time, in the user's folder."""
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr("splashgen.store.tables.shipped_folder", lambda name: tmp_path / "none")
    config = family_for(PROBLEM, CPU).default(PROBLEM, CPU)
    entry = Entry(PROBLEM, config, "0" * 16, Status.MEASURED, Timing(9e9, 9e9, 9e9), tuned_at="2020-01-01")
    save(CPU, [entry], tmp_path)
    return entry


def wrong(trial: Trial) -> Outcome:
    return Outcome(Ended.WRONG, "out is off by 1, where 1e-05 is allowed.")


def test_what_passes_is_stored_with_its_new_hash_and_time(stale: Entry, tmp_path: Path) -> None:
    assert lookup(PROBLEM, CPU).rung is Rung.DEFAULT
    (result,) = verify(stored_entries(CPU), CPU)
    assert result.passed, result.outcome.reason
    assert lookup(PROBLEM, CPU).rung is Rung.EXACT
    assert result.before_ms == 9e9
    (kept,) = load(tmp_path / "cpu.yaml").entries
    assert kept.code_hash == render(PROBLEM, stale.config).hash
    assert 0 < kept.time_ms.median < 1e4
    assert kept.error["out"] <= kept.error["out_budget"]
    assert kept.tuned_at > "2020-01-01"


def test_an_entry_is_timed_and_kept_in_its_regime(stale: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = []

    class Quick(Bench):
        def finalist(self, trial: Trial) -> Outcome:
            return Outcome(Ended.OK)

        def trial(self, trial: Trial) -> Outcome:
            timed.append(trial.regime)
            return Outcome(Ended.OK, samples=(1.0,))

    monkeypatch.setattr("splashgen.verify.Bench", Quick)
    sparse = replace(stale, regime=Regime.SPARSE)
    assert [result.entry.regime for result in verify([stale, sparse], CPU)] == [Regime.MIXED, Regime.SPARSE]
    assert timed == [Regime.MIXED, Regime.SPARSE]


def test_what_fails_is_reported_and_left_as_it_was(stale: Entry, tmp_path: Path) -> None:
    before = (tmp_path / "cpu.yaml").read_bytes()
    (result,) = verify(stored_entries(CPU), CPU, tools=Tools(finalist=wrong))
    assert not result.passed
    assert "off by 1" in result.outcome.reason
    assert (tmp_path / "cpu.yaml").read_bytes() == before


def test_a_folder_of_its_own_is_checked_and_written(stale: Entry, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    save(CPU, [stale], folder)
    (result,) = verify(stored_entries(CPU, folder), CPU, folder)
    assert result.passed
    assert load(folder / "cpu.yaml").entries[0].code_hash == render(PROBLEM, stale.config).hash
    assert load(tmp_path / "cpu.yaml").entries[0].code_hash == stale.code_hash


def test_a_device_that_is_being_tuned_is_left_alone(stale: Entry) -> None:
    import filelock

    state_folder().mkdir(parents=True, exist_ok=True)
    with (
        filelock.FileLock(state_folder() / "cpu.lock"),
        pytest.raises(GpuBusyError, match="tune or verify runs on cpu"),
    ):
        next(verify(stored_entries(CPU), CPU))


def test_entries_of_another_chip_are_not_checked(stale: Entry, tmp_path: Path) -> None:
    assert len(stored_entries(CPU)) == 1
    assert stored_entries(replace(CPU, name="another chip")) == []
    assert stored_entries(replace(CPU, multiprocessors=CPU.multiprocessors + 1)) == []
    assert stored_entries(CPU, tmp_path / "empty") == []

"""Entries are checked anew: what passes is renewed, what fails is no longer used."""

from dataclasses import replace
from pathlib import Path

import few_rows
import pytest
import torch

import splashgen
from splashgen.alpha import AlphaClass
from splashgen.dispatch import memo
from splashgen.families import family_for
from splashgen.gpu import CPU
from splashgen.problem import DType, Operation, Problem
from splashgen.render import render
from splashgen.store import Entry, Regime, Rung, Source, current, load, lookup, save
from splashgen.store.entry import Status, Timing
from splashgen.tune.database.state import state_folder
from splashgen.tune.device import GpuBusyError
from splashgen.tune.measure.bench import Bench, Tools
from splashgen.tune.measure.evaluate import Trial
from splashgen.tune.measure.outcome import Outcome
from splashgen.tune.measure.outcome import Status as Ended
from splashgen.verify import stored_entries, verify

pytestmark = pytest.mark.usefixtures("forked_workers")

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
    (result,) = verify(stored_entries(CPU), CPU, tools=few_rows.TOOLS)
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


@pytest.fixture
def fresh(stale: Entry) -> Entry:
    """An entry of this CPU that is used; its reason to be checked is another torch."""
    entry = replace(stale, code_hash=render(PROBLEM, stale.config).hash)
    save(CPU, [replace(entry, provenance=replace(current(), torch="2.1.0"))])
    return entry


def out_of_memory(trial: Trial) -> Outcome:
    return Outcome(Ended.DOES_NOT_FIT, "OutOfMemoryError: CUDA out of memory.")


def test_what_fails_is_no_longer_used_until_it_passes(fresh: Entry, tmp_path: Path) -> None:
    assert lookup(PROBLEM, CPU).rung is Rung.EXACT
    splashgen.entmax(torch.randn(2, 64), 2.0)
    (result,) = verify(stored_entries(CPU), CPU, tools=Tools(finalist=wrong))
    assert not result.passed
    assert "off by 1" in result.outcome.reason
    match = lookup(PROBLEM, CPU)
    assert match.rung is Rung.DEFAULT
    assert not memo, "kernels in use are looked up again"
    assert "did not pass it on 2" in match.steps[0].verdict and "off by 1" in match.steps[0].verdict
    (kept,) = load(tmp_path / "cpu.yaml").entries
    assert (kept.config, kept.time_ms, kept.status) == (fresh.config, fresh.time_ms, fresh.status)
    (result,) = verify(stored_entries(CPU), CPU, tools=few_rows.TOOLS)
    assert result.passed
    assert lookup(PROBLEM, CPU).rung is Rung.EXACT


def test_a_shipped_entry_that_fails_is_noted_in_the_user_s_file(
    fresh: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("splashgen.store.tables.shipped_folder", lambda name: tmp_path / "shipped")
    (tmp_path / "shipped").mkdir()
    (tmp_path / "cpu.yaml").rename(tmp_path / "shipped/cpu.yaml")
    assert lookup(PROBLEM, CPU).source is Source.SHIPPED
    list(verify(stored_entries(CPU), CPU, tools=Tools(finalist=wrong)))
    match = lookup(PROBLEM, CPU)
    assert match.rung is Rung.DEFAULT
    assert [step.source for step in match.steps] == [Source.USER, Source.SHIPPED, Source.FAMILY]
    assert all("off by 1" in step.verdict for step in match.steps[:2])
    other = replace(fresh, config=fresh.config.replace(chunk=16384))
    other = replace(other, code_hash=render(PROBLEM, other.config).hash)
    save(CPU, [other], tmp_path / "shipped")
    assert lookup(PROBLEM, CPU).config == other.config, "a release ships another config"
    assert stored_entries(CPU) == [other]


def test_what_says_nothing_of_the_config_is_not_held_against_it(fresh: Entry, tmp_path: Path) -> None:
    before = (tmp_path / "cpu.yaml").read_bytes()
    (result,) = verify(stored_entries(CPU), CPU, tools=Tools(finalist=out_of_memory))
    assert not result.passed and not result.entry.failure
    assert (tmp_path / "cpu.yaml").read_bytes() == before


def test_a_reason_is_stored_as_one_short_line(fresh: Entry, tmp_path: Path) -> None:
    (result,) = verify([fresh], CPU, tools=Tools(finalist=garrulous))
    (kept,) = load(tmp_path / "cpu.yaml").entries
    assert kept.failure == result.entry.failure
    assert kept.failure.startswith('failed: τ "a" b[2J') and len(kept.failure) == 200


def garrulous(trial: Trial) -> Outcome:
    return Outcome(Ended.FAILED, 'τ "a"\n b\x1b[2J ' + "long " * 100)


def test_a_folder_of_its_own_is_checked_and_written(stale: Entry, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    save(CPU, [stale], folder)
    (result,) = verify(stored_entries(CPU, folder), CPU, folder, tools=few_rows.TOOLS)
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

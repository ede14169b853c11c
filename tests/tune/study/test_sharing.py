"""Several workers on one study: each candidate is evaluated once, whoever dies meanwhile."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy
from optuna.trial import TrialState

from splashgen.families import family_for
from splashgen.gpu import CPU
from splashgen.problem import DType
from splashgen.render import render
from splashgen.tune.database.mutex import MutexLost
from splashgen.tune.database.storage import Storage, open_storage
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.presets import entmax
from splashgen.tune.search.search import Search
from splashgen.tune.study.journal import Journal
from splashgen.tune.study.records import EVALUATION, Ticket, facts_of
from splashgen.tune.study.studies import NoOpenStudyError, open_studies

PROBLEM = entmax(DType.FLOAT32, 1024)
SPACE = family_for(PROBLEM, CPU).space.narrowed(PROBLEM, CPU)
POINTS = 20
"""That differ in their code."""
DONE = Outcome(Status.OK, samples=(1.0,))
GRACE = 2.0
"""Seconds; many beats, so that a busy machine makes nobody look dead."""


def _storage(folder: Path, beat_seconds: float = 0.05, grace_seconds: float = GRACE) -> Storage:
    return open_storage(folder / "shared", beat_seconds=beat_seconds, grace_seconds=grace_seconds)


def _joined(storage: Storage, worker: str, trials: int | None = None) -> tuple[Journal, Search]:
    journal = Journal(storage, PROBLEM, CPU, SPACE, worker=worker)
    return journal, Search(journal, SPACE, PROBLEM, CPU, (), trials)


def _evaluated(journal: Journal) -> list[str]:
    return [record.code_hash for record in journal.records() if not record.free]


def _finish(search: Search) -> list[Ticket]:
    done = []
    while ticket := search.next():
        done.append(ticket)
        search.tell(ticket, DONE, 0.0)
    return done


def _hash(ticket: Ticket) -> str:
    return render(PROBLEM, ticket.config).hash


@pytest.mark.parametrize("trials", [None, 7], ids=["whole space", "budget"])
def test_workers_side_by_side_share_the_candidates(folders: Path, trials: int | None) -> None:
    def work(name: str) -> None:
        _, search = _joined(_storage(folders), name, trials)
        told[name] = len(_finish(search))

    told: dict[str, int] = {}
    journal, _ = _joined(_storage(folders), "onlooker")
    threads = [threading.Thread(target=work, args=[f"worker {number}"]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hashes = _evaluated(journal)
    assert len(hashes) == len(set(hashes)) == sum(told.values()) == (trials or POINTS)


def test_what_a_silent_worker_was_at_is_done_by_another_and_its_late_word_does_not_count(
    folders: Path,
) -> None:
    dead = _storage(folders, beat_seconds=3600.0)  # as good as dead to all others
    _, search = _joined(dead, "dead")
    lost = search.next()
    assert lost is not None
    _, other = _joined(_storage(folders, grace_seconds=3600.0), "patient")
    assert lost.config not in {ticket.config for ticket in _finish(other)}
    assert other.others_busy(), "it might live"
    journal, other = _joined(_storage(folders, grace_seconds=0.1), "impatient")
    time.sleep(0.3)
    assert not other.others_busy()
    (again,) = _finish(other)
    assert again.config == lost.config
    assert search.tell(lost, DONE, 0.0) is False
    assert len(_evaluated(journal)) == len(set(_evaluated(journal))) == POINTS
    assert len(search.records) == 0 and search.next() is None
    assert len(search.records) == POINTS, "what the others did is known to a worker that was taken for dead"


@pytest.mark.slow
def test_a_slow_worker_that_gives_signs_of_life_keeps_its_candidate(folders: Path) -> None:
    _, slow = _joined(_storage(folders), "slow")
    kept = slow.next()
    assert kept is not None
    _, other = _joined(_storage(folders), "quick")
    _finish(other)
    deadline = time.monotonic() + 1.5 * GRACE
    while time.monotonic() < deadline:
        assert other.others_busy()
        time.sleep(0.1)
    assert slow.tell(kept, DONE, 0.0) is True
    assert not other.others_busy() and len(other.records) == POINTS


def test_a_worker_that_starts_again_takes_up_its_own_at_once(folders: Path) -> None:
    lost = _joined(_storage(folders), "host")[1].next()
    journal, search = _joined(_storage(folders, grace_seconds=3600.0), "host")
    assert journal.waiting
    first = search.next()
    assert first is not None and lost is not None and first.config == lost.config


def test_a_candidate_that_takes_its_workers_down_is_given_up(folders: Path) -> None:
    for _ in range(3):
        lost = _joined(_storage(folders), "host")[1].next()
    journal, search = _joined(_storage(folders), "host")
    assert lost is not None
    (record,) = journal.records()
    assert record.config == lost.config
    assert record.outcome.status is Status.CRASHED and "3 workers died" in record.outcome.reason
    assert lost.config not in {ticket.config for ticket in _finish(search)}


def test_a_worker_killed_between_its_result_and_the_last_word_loses_nothing(folders: Path) -> None:
    storage = _storage(folders)
    _, search = _joined(storage, "host")
    ticket = search.next()
    assert ticket is not None
    facts = facts_of(DONE, _hash(ticket), 1.0, free=False)
    trials = storage.optuna.get_all_trials(storage.optuna.get_all_studies()[0]._study_id)
    storage.optuna.set_trial_user_attr(trials[ticket.number]._trial_id, EVALUATION, facts[EVALUATION])
    journal, _ = _joined(_storage(folders), "host")
    (record,) = journal.records()
    assert record.config == ticket.config and record.outcome == DONE
    assert not journal.waiting


def test_what_an_interrupted_worker_gave_back_is_handed_out_again(folders: Path) -> None:
    _, stopped = _joined(_storage(folders), "stopped")
    ticket = stopped.next()
    assert ticket is not None
    _, other = _joined(_storage(folders), "other")
    half = [other.next() for _ in range(POINTS // 2)]
    stopped.drop(ticket)
    taken = [*half, *_finish(other)]
    assert len(taken) == POINTS
    # On a machine so busy that its heart seemed to have stopped, perhaps before it was given back.
    assert ticket.config in {other.config for other in taken if other is not None}


def test_a_lock_that_was_lost_takes_the_candidate_back(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, search = _joined(_storage(folders), "host")
    turns = journal.turn

    @contextlib.contextmanager
    def lost_once() -> Iterator[object]:
        with turns() as news:
            yield news
        monkeypatch.undo()
        raise MutexLost

    monkeypatch.setattr(journal, "turn", lost_once)
    assert search.next() is not None
    states = [trial.state for trial in journal._study.get_trials()]
    assert states.count(TrialState.RUNNING) == 1 and states.count(TrialState.FAIL) == 1


def test_studies_of_another_version_or_chip_are_not_joined_and_not_touched(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = _storage(folders)
    with monkeypatch.context() as patch:
        patch.setattr("splashgen.tune.study.studies.versions", lambda: "splashgen 0.0, triton 1.0, torch 1.0")
        old, search = _joined(storage, "old")
        _finish(search)
    with pytest.raises(NoOpenStudyError, match=r"one is of splashgen 0\.0, triton 1\.0.*and here is"):
        open_studies(storage, CPU)
    new, search = _joined(storage, "new")
    assert new.name != old.name and search.handed_out == 0
    assert len(_evaluated(old)) == POINTS
    (joinable,) = open_studies(storage, CPU)
    assert (joinable.name, joinable.problem) == (new.name, PROBLEM)


def test_chips_of_one_name_have_studies_of_their_own(folders: Path) -> None:
    """As CPUs of few and of many cores have; the folder may be shared by machines."""
    storage = _storage(folders)
    larger = replace(CPU, multiprocessors=CPU.multiprocessors + 94)
    here, there = (Journal(storage, PROBLEM, chip, SPACE, worker="one") for chip in (CPU, larger))
    assert here.name != there.name
    assert [study.name for study in open_studies(storage, larger)] == [there.name]
    alone = _storage(folders / "alone")
    Journal(alone, PROBLEM, larger, SPACE, worker="one")
    with pytest.raises(NoOpenStudyError, match=rf"with {larger.multiprocessors} multiprocessors, and this"):
        open_studies(alone, CPU)


def test_a_study_of_another_space_is_not_joined(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = _storage(folders)
    smaller = replace(SPACE, choices={**SPACE.choices, "solver": ("norm",)})
    Journal(storage, PROBLEM, CPU, smaller, worker="other")
    with pytest.raises(NoOpenStudyError, match="one searches entmax_torch configs that differ"):
        open_studies(storage, CPU)


def test_clocks_that_were_set_back_change_nothing(folders: Path) -> None:
    """As if every time that was written down lay in the future."""
    storage = _storage(folders)
    _, slow = _joined(storage, "slow")
    tickets = [slow.next() for _ in range(3)]
    assert all(slow.tell(ticket, DONE, 1.0) for ticket in tickets[:2] if ticket)
    engine = sqlalchemy.create_engine(storage.url)
    with engine.begin() as connection:
        future = "2099-01-01 00:00:00.000000"
        for column in ("datetime_start", "datetime_complete"):
            connection.execute(sqlalchemy.text(f"UPDATE trials SET {column} = '{future}'"))
    engine.dispose()
    journal, other = _joined(_storage(folders), "other")
    _finish(other)
    assert other.others_busy(), "the third is alive"
    assert tickets[2] is not None and slow.tell(tickets[2], DONE, 1.0)
    assert len(set(_evaluated(journal))) == len(_evaluated(journal)) == POINTS


def test_dashboards_can_read_what_a_study_is_about(folders: Path) -> None:
    storage = _storage(folders)
    _, search = _joined(storage, "host:lock")
    ticket = search.next()
    assert ticket is not None
    search.tell(ticket, Outcome(Status.WRONG, "out is off."), 1.0)
    (study,) = storage.optuna.get_all_studies()
    assert study.study_name.startswith(f"{CPU.name} x {CPU.multiprocessors} | {PROBLEM} | ")
    assert study.user_attrs["about"]["problem"] == PROBLEM.as_dict()
    (trial,) = storage.optuna.get_all_trials(study._study_id)
    assert trial.params == ticket.config.as_dict()
    said = {name: trial.user_attrs[name] for name in ("status", "reason", "worker", "code_hash")}
    assert said == {
        "status": "wrong",
        "reason": "out is off.",
        "worker": "host:lock",
        "code_hash": _hash(ticket),
    }

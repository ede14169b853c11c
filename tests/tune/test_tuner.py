"""The whole loop on the faulty family: what is stored, what survives, what is done only once."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import tune_fakes
from optuna.study._frozen import FrozenStudy
from tune_fakes import CAREFUL, FOLDER, PROBLEM, TOOLS

from splashgen.dispatch import memo
from splashgen.families import family_for
from splashgen.gpu import CPU
from splashgen.render import render
from splashgen.store import Entry, Status, Timing, load, save, user_folder
from splashgen.store.plain import plain_entry
from splashgen.tune.database.state import state_folder
from splashgen.tune.database.storage import open_storage
from splashgen.tune.device import GpuBusyError
from splashgen.tune.limits import Limits
from splashgen.tune.measure.bench import Tools
from splashgen.tune.show.events import AdviceAsked, Event, ProblemStarted, TrialEnded
from splashgen.tune.show.report import Report
from splashgen.tune.study.journal import Journal
from splashgen.tune.study.outdated import outdated
from splashgen.tune.tuner import tune

pytestmark = pytest.mark.usefixtures("faulty", "forked_workers")

# Nine rounds of a shoot-out (0.3 s) are too few where other tests take the processor meanwhile.
LIMITS = Limits(trials=40, candidate_seconds=6.0, timing_seconds=0.05, shoot_out_seconds=1.2)


def _tuned(
    events: list[Event] | None = None, limits: Limits = LIMITS, tools: Tools = CAREFUL, **options: bool
) -> Report:
    heard = events if events is not None else []
    return tune([PROBLEM], CPU, limits, notify=heard.append, tools=tools, **options)


@pytest.mark.slow
def test_the_fastest_correct_config_is_found_among_faulty_ones() -> None:
    events: list[Event] = []
    report = _tuned(events, tools=TOOLS)
    (ended,) = report.ended
    assert ended.entry is not None
    assert ended.entry.config["fault"] == "none"
    # Under load, sleeps of 1 and 2 ms can come out alike; the others are far off.
    assert ended.entry.config["delay_ms"] in (1, 2)
    assert ended.entry.default_time_ms is not None
    assert report.speed_up is not None and report.speed_up > 1.5
    assert ended.counts == {"ok": 4, "wrong": 2, "hung": 1, "crashed": 1, "failed": 1}
    assert load(ended.path).entries[0].config == ended.entry.config

    reasons = {
        event.config["fault"]: event.outcome.reason for event in events if isinstance(event, TrialEnded)
    }
    assert all(reasons[fault] for fault in ("wrong", "hang", "abort", "unwritten", "raise"))
    assert "big" not in reasons, "a config that a constraint rules out never runs"
    # The comment changes no code, so its twins cost no trial: 4 delays and 5 faults are left of 2 x 4 x 6.
    assert sum(isinstance(event, TrialEnded) for event in events) == 9


def test_a_shoot_out_that_fails_is_no_end_of_the_tune() -> None:
    limits = Limits(trials=2, timing_seconds=0.05, shoot_out_seconds=0.2)
    (ended,) = _tuned(limits=limits, tools=replace(CAREFUL, shoot_out=tune_fakes.memoryless)).ended
    assert ended.entry is None
    assert "MemoryError: Two finalists do not fit beside each other." in ended.reason
    (after,) = _tuned(limits=limits).ended
    assert after.entry is not None, "what was found is confirmed by the next run"
    assert after.counts == ended.counts


def test_a_finished_problem_is_skipped_and_its_winner_stored_where_it_is_missing() -> None:
    limits = Limits(trials=2, timing_seconds=0.05, shoot_out_seconds=0.2)
    (first,) = _tuned(limits=limits).ended
    first.path.unlink()
    events: list[Event] = []
    (second,) = _tuned(events, limits).ended
    assert second.skipped
    assert first.seconds is not None and second.seconds == first.seconds > 0.2, "the study remembers"
    assert not any(isinstance(event, ProblemStarted | TrialEnded) for event in events)
    assert load(user_folder() / "cpu.yaml").entries[0].config == first.entry.config
    written = second.path.stat().st_mtime_ns
    (third,) = _tuned(limits=limits).ended
    assert third.path == second.path
    assert third.path.stat().st_mtime_ns == written, "what is stored already is not written again"


def test_a_finished_problem_is_tuned_again_where_its_winner_is_no_longer_used() -> None:
    limits = Limits(trials=2, timing_seconds=0.05, shoot_out_seconds=0.2)
    (first,) = _tuned(limits=limits).ended
    save(CPU, [replace(first.entry, failure="wrong: out is off.")])
    (second,) = _tuned(limits=limits).ended
    assert not second.skipped
    assert not load(second.path).entries[0].failure
    for study in open_storage(state_folder()).optuna.get_all_studies():
        end = study.user_attrs["finished"]
        end["entry"]["code_hash"] = "0" * 16  # as if a release had changed the template since
        _attribute(study, "finished", end)
    save(CPU, [replace(second.entry, code_hash="0" * 16)])
    memo["kernel"] = "of the old table"
    (third,) = _tuned(limits=limits).ended
    assert not third.skipped
    assert load(third.path).entries[0].code_hash == first.entry.code_hash
    assert not memo, "kernels in use are looked up again"
    assert _tuned(limits=limits).ended[0].skipped


def test_what_verify_renewed_is_not_tuned_again() -> None:
    end = {"entry": {"problem": {}}}
    assert outdated(end, None), "its problem is none of this version"
    family = family_for(PROBLEM, CPU)
    config = family.default(PROBLEM, CPU)
    code = render(PROBLEM, config).hash
    entry = Entry(PROBLEM, config, code, Status.MEASURED, Timing(1.0, 1.0, 1.0), tuned_at="2026-11-23")
    old = {"entry": plain_entry(replace(entry, code_hash="0" * 16))}
    assert outdated(old, None)
    assert not outdated(old, entry)
    assert not outdated({"entry": plain_entry(entry)}, replace(entry, code_hash="0" * 16))
    assert outdated({"entry": plain_entry(entry)}, replace(entry, failure="wrong: out is off."))


def _attribute(study: FrozenStudy, name: str, value: object) -> None:
    open_storage(state_folder()).optuna.set_study_user_attr(study._study_id, name, value)


def test_what_is_advised_is_tried_right_after_the_default() -> None:
    space, default = family_for(PROBLEM, CPU).space, family_for(PROBLEM, CPU).default(PROBLEM, CPU)
    advised = next(
        config
        for config in space.feasible(PROBLEM, CPU)
        if config["fault"] == "none" and config["delay_ms"] not in (1, default["delay_ms"])
    )
    asked: list[tuple] = []

    def advice(problem, regime):
        asked.append((problem, regime.value))
        return (advised,)

    events: list[Event] = []
    limits = Limits(trials=2, timing_seconds=0.05, shoot_out_seconds=0.2)
    tune([PROBLEM], CPU, limits, notify=events.append, tools=CAREFUL, advice=advice)
    assert asked == [(PROBLEM, "mixed")]
    assert [type(event) for event in events[:2]] == [AdviceAsked, ProblemStarted]
    assert [event.config for event in events if isinstance(event, TrialEnded)] == [default, advised]


@pytest.mark.slow
def test_again_makes_a_study_of_its_own() -> None:
    limits = Limits(trials=2, timing_seconds=0.05, shoot_out_seconds=0.2)
    _tuned(limits=limits)
    events: list[Event] = []
    (ended,) = _tuned(events, limits, again=True).ended
    assert not ended.skipped
    assert sum(isinstance(event, TrialEnded) for event in events) == 2


def test_two_tuners_do_not_share_a_device() -> None:
    import filelock

    state_folder().mkdir(parents=True)
    with filelock.FileLock(state_folder() / "cpu.lock"), pytest.raises(GpuBusyError, match="cpu"):
        _tuned()


@pytest.mark.slow
def test_interruption_keeps_the_best_so_far_and_the_next_run_goes_on() -> None:
    heard: list[Event] = []

    def interrupt(event: Event) -> None:
        heard.append(event)
        if isinstance(event, TrialEnded) and event.number == 2:
            raise KeyboardInterrupt

    report = tune([PROBLEM], CPU, LIMITS, notify=interrupt, tools=CAREFUL)
    assert report.interrupted
    (ended,) = report.ended
    assert ended.entry is not None and ended.path is not None and ended.path.exists()

    events: list[Event] = []
    resumed = _tuned(events)
    numbers = [event.number for event in events if isinstance(event, TrialEnded)]
    assert numbers == list(range(3, 10))
    assert resumed.ended[0].entry.config["delay_ms"] in (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 3])
def test_sigkill_loses_at_most_the_trial_in_flight(folders: Path, after: int) -> None:
    log = folders / "log"
    program = (
        "import sys, tune_fakes\n"
        "from splashgen.gpu import CPU\n"
        "from splashgen.tune.show.display import JsonLines\n"
        "from splashgen.tune.limits import Limits\n"
        "from splashgen.tune.tuner import tune\n"
        "tune_fakes.install()\n"
        "limits = Limits(trials=40, candidate_seconds=6, timing_seconds=0.05, shoot_out_seconds=0.3)\n"
        "with open(sys.argv[1], 'a') as stream:\n"
        "    tune([tune_fakes.PROBLEM], CPU, limits, notify=JsonLines(stream), tools=tune_fakes.CAREFUL)\n"
    )
    path = os.pathsep.join([str(FOLDER.parent), str(FOLDER.parents[2])])
    tuner = subprocess.Popen(
        [sys.executable, "-c", program, str(log)],
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while _trials(log) < after and time.monotonic() < deadline and tuner.poll() is None:
        time.sleep(0.02)
    os.kill(tuner.pid, signal.SIGKILL)
    tuner.wait()
    told = _trials(log)
    assert told >= after

    journal = Journal(open_storage(state_folder()), PROBLEM, CPU, family_for(PROBLEM, CPU).space)
    kept = [record for record in journal.records() if not record.free]
    assert len(kept) >= told, "a trial that was told is on disk"
    events: list[Event] = []
    (ended,) = _tuned(events).ended
    evaluated = sum(isinstance(event, TrialEnded) for event in events)
    assert len(kept) + evaluated == 9, "nothing is lost and nothing is done twice"
    assert ended.entry is not None and ended.entry.trials == 9


def _trials(log: Path) -> int:
    if not log.exists():
        return 0
    lines = log.read_text().splitlines(keepends=True)
    return sum(json.loads(line)["event"] == "TrialEnded" for line in lines if line.endswith("\n"))


def test_no_correct_candidate_means_no_entry() -> None:
    report = tune([PROBLEM], CPU, Limits(trials=2), tools=replace(TOOLS, trial=tune_fakes.reject))
    (ended,) = report.ended
    assert ended.entry is None and ended.path is None
    assert ended.reason == "No candidate was correct"
    assert not (user_folder() / "cpu.yaml").exists()


def test_a_candidate_that_fails_the_final_gate_does_not_win() -> None:
    report = tune([PROBLEM], CPU, LIMITS, tools=replace(CAREFUL, finalist=tune_fakes.reject_the_fastest))
    (ended,) = report.ended
    assert ended.entry is not None
    assert ended.entry.config["delay_ms"] != 1

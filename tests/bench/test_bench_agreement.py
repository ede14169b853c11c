"""Two tunes and their winners: who meets, what counts as agreement, and the script."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import DEFAULT, FASTEST, PROBLEM

from splashgen.bench.agreement import agreement, common, markdown, meet
from splashgen.bench.winners import Won, winners
from splashgen.config import Config
from splashgen.errors import SplashgenError
from splashgen.families import family_for
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.render import render
from splashgen.store import Entry, Regime, Status, Timing, save
from splashgen.store.plain import plain_entry
from splashgen.tune.database.storage import open_storage
from splashgen.tune.measure.evaluate import ShootOut
from splashgen.tune.processes.process import CallLost
from splashgen.tune.study.journal import Journal

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "agree.py"
KEY = PROBLEM, Regime.MIXED
OTHER = replace(PROBLEM, seq_len=128)


def entry(config: Config, problem=PROBLEM, status: Status = Status.MEASURED) -> Entry:
    code_hash = render(problem, config).hash
    return Entry(problem, config, code_hash, status, Timing(1.0, 1.0, 1.0), tuned_at="2026-11-24")


class Bench:
    """Times that are a base for each config and length, and a little noise that all share in a round."""

    def __init__(self, **base: float) -> None:
        self.base, self.met = base, []

    def shoot_out(self, task: ShootOut) -> tuple[tuple[float, ...], ...]:
        if not self.base:
            raise CallLost("It died.")
        self.met.append((task.problem.seq_len, len(task.configs), task.seconds))
        length = "own" if task.problem.seq_len == PROBLEM.seq_len else "ragged"
        names = {DEFAULT: "default", FASTEST: "fastest"}
        return tuple(
            tuple(
                self.base.get(f"{names[config]}_{length}", 1.0) * (1.0 + 0.01 * ((number + place) % 3))
                for number in range(12)
            )
            for place, config in enumerate(task.configs)
        )


def _met(**base: float):
    return meet(Bench(**base), CPU, KEY, Won(entry(DEFAULT), 20.0), Won(entry(FASTEST)), 10.0)


def test_the_same_code_agrees_without_a_meeting() -> None:
    twin = meet(Bench(), CPU, KEY, Won(entry(DEFAULT)), Won(entry(DEFAULT)), 10.0)
    assert twin.agree and twin.verdict == "same code" and twin.ratio is None


def test_winners_agree_unless_one_would_take_the_place_of_the_other() -> None:
    alike = _met(default_own=1.0)
    assert alike.agree and alike.verdict == "within noise"
    assert alike.ratio.low <= 1.0 <= alike.ratio.high and alike.seconds == (20.0, None)
    assert alike.again is not None and alike.again.low <= 1.0 <= alike.again.high
    faster, slower = _met(default_own=0.8, default_ragged=0.8), _met(default_own=1.2, default_ragged=1.2)
    assert (faster.verdict, faster.agree) == ("the first is faster", False)
    assert (slower.verdict, slower.agree) == ("the second is faster", False)
    assert faster.ratio.median == pytest.approx(0.8, rel=0.02)
    mixed = _met(default_own=0.8, default_ragged=1.25)
    assert mixed.agree, "as much faster at one length as slower at the other"


def test_they_meet_like_finalists_the_first_of_them_twice() -> None:
    bench = Bench(default_own=1.0)
    meet(bench, CPU, KEY, Won(entry(DEFAULT)), Won(entry(FASTEST)), 10.0)
    assert bench.met == [(64, 3, 7.0), (49, 3, 3.0)]


def test_who_does_not_meet_is_not_counted() -> None:
    stale = replace(entry(FASTEST), code_hash="0" * 16)
    changed = meet(Bench(), CPU, KEY, Won(entry(DEFAULT)), Won(stale), 10.0)
    lost = meet(Bench(), CPU, KEY, Won(entry(DEFAULT)), Won(entry(FASTEST)), 10.0)
    assert changed.agree is None and "have changed" in changed.verdict
    assert lost.agree is None and "It died." in lost.verdict
    assert agreement([changed, lost]) is None
    assert agreement([changed, _met(default_own=0.8), _met(default_own=1.0)]) == 0.5
    table = markdown([changed, _met(default_own=0.8), _met(default_own=1.0)], CPU)
    assert "1 of 2 pairs agree (50%; the target of 95% is missed)," in table
    assert "A problem took 20 s at most" in table and "No pair met." in markdown([changed], CPU)
    assert len({line.count("|") for line in table.splitlines() if line.startswith("|")}) == 1


def test_what_two_tunes_say_of_the_same_code_is_told() -> None:
    """The default took 2 ms in one tune and 2.5 in the other, so winners that differ by 20 % may be alike."""
    one, other = (
        Won(replace(entry(config), default_time_ms=Timing(ms, ms, ms)))
        for config, ms in ((DEFAULT, 2.0), (FASTEST, 2.5))
    )
    met = meet(Bench(default_own=0.9, default_ragged=0.9), CPU, KEY, one, other, 10.0)
    assert met.default == 0.8 and met.verdict == "the first is faster"
    quiet = replace(met, default=0.99)  # on its problem the tunes knew better
    table = markdown([met, quiet, _met(default_own=0.5)], CPU)
    assert "by up to 20.00%; 1 of 2 pairs differ by no more" in table and "| 0.8000 |" in table
    assert "default's time" not in markdown([_met(default_own=0.5)], CPU)


def test_winners_are_read_from_files_studies_and_both(tmp_path: Path) -> None:
    save(CPU, [entry(DEFAULT), entry(DEFAULT, OTHER, Status.PLANNED)], tmp_path / "files")
    assert winners(str(tmp_path / "files"), CPU) == {KEY: Won(entry(DEFAULT))}
    both = tmp_path / "both"
    storage, space = open_storage(both), family_for(PROBLEM, CPU).space
    for problem, config in ((PROBLEM, DEFAULT), (OTHER, FASTEST)):
        finished = {"entry": plain_entry(entry(config, problem)), "reason": "", "seconds": 12.5}
        Journal(storage, problem, CPU, space).finish(finished)
    Journal(storage, replace(PROBLEM, seq_len=256), CPU, space)  # not finished
    of_studies = winners(storage.url, CPU)
    assert {key[0]: won.seconds for key, won in of_studies.items()} == {PROBLEM: 12.5, OTHER: 12.5}
    save(CPU, [entry(FASTEST)], both)  # found by a run that was interrupted
    found = winners(str(both), CPU)
    assert found[KEY] == Won(entry(FASTEST)) and found[OTHER, Regime.MIXED].seconds == 12.5
    assert common(found, of_studies) == [KEY, (OTHER, Regime.MIXED)]
    with pytest.raises(SplashgenError, match="has no winner for NVIDIA H100"):
        winners(str(both), KNOWN_GPUS["h100"])
    larger = replace(CPU, multiprocessors=CPU.multiprocessors + 1)
    for source in (str(tmp_path / "files"), storage.url):
        with pytest.raises(SplashgenError, match="has no winner"):
            winners(source, larger)


def test_the_script_times_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("SPLASHGEN_STATE_DIR", str(tmp_path / "state"))
    save(CPU, [entry(DEFAULT), entry(DEFAULT, OTHER)], tmp_path / "first")
    save(CPU, [entry(FASTEST), entry(DEFAULT, OTHER)], tmp_path / "second")
    folders = [str(tmp_path / "first"), str(tmp_path / "second")]
    files = ["--output", str(tmp_path / "out.md"), "--json", str(tmp_path / "out.json")]
    options = ["--gpu", "cpu", "--seconds", "0.3", *files]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *folders, *options])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    told = capsys.readouterr()
    assert (tmp_path / "out.md").read_text().strip() == told.out.strip()
    assert "[2/2]" in told.err and "of 2 pairs agree" in told.out
    rows = json.loads((tmp_path / "out.json").read_text())
    assert rows[0]["ratio"]["low"] <= rows[0]["ratio"]["median"] <= rows[0]["ratio"]["high"]
    assert rows[1]["verdict"] == "same code"
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *folders[:1], str(tmp_path), "--gpu", "cpu"])
    with pytest.raises(SystemExit, match="has no winner"):
        runpy.run_path(str(SCRIPT), run_name="__main__")

"""Workers on one PostgreSQL server: whatever dies or goes away, nothing is lost and nothing counted twice."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import replay_fakes
from postgres import Server
from replay_fakes import LIMITS, PROBLEMS, TOOLS

from splashgen.families import family_for
from splashgen.gpu import CPU
from splashgen.store import load
from splashgen.tune.database.patience import StorageLostError
from splashgen.tune.database.storage import Storage, open_storage
from splashgen.tune.show.events import Event, TrialEnded
from splashgen.tune.study.journal import Journal
from splashgen.tune.tuner import tune

pytestmark = [pytest.mark.slow, pytest.mark.postgres]
pytest.importorskip("psycopg")

HERE = Path(__file__).parent
POINTS = 20
"""Of each problem that differ in their code: sorting takes no iterations."""
CREW = ("first", "doomed", "helper")


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that runs; its folder is where its user can reach it, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="splashgen-postgres-"))
    running = Server(folder)
    running.start()
    try:
        yield running
    finally:
        with contextlib.suppress(AssertionError):  # a test may have stopped it
            running.stop()
        shutil.rmtree(folder)


def _worker(what: str, name: str, folder: Path, url: str, **more: str) -> "subprocess.Popen[bytes]":
    """A worker as on a machine of its own: its folders are nobody else's."""
    own = {f"SPLASHGEN_{kind}_DIR": str(folder / name / kind) for kind in ("STATE", "CONFIG", "CACHE")}
    environment = {
        **os.environ,
        **own,
        "SPLASHGEN_STORAGE": url,
        "SPLASHGEN_TEST_WORKER": name,
        "SPLASHGEN_TEST_LOG": str(folder),
        "SPLASHGEN_TEST_CREW": " ".join(CREW),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
        **more,
    }
    program = f"import replay_fakes; replay_fakes.main('{what}')"
    return subprocess.Popen([sys.executable, "-c", program], env=environment)


def _journals(storage: Storage) -> list[Journal]:
    """Looked at by somebody who takes part under another name."""
    found = []
    for problem in PROBLEMS:
        space = family_for(problem, CPU).space.narrowed(problem, CPU)
        found.append(Journal(storage, problem, CPU, space, worker="onlooker"))
    return found


def _await(path: Path, tuner: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline and tuner.poll() is None
        time.sleep(0.05)


def test_one_of_several_workers_is_killed_and_nothing_is_lost_or_counted_twice(
    server: Server, tmp_path: Path
) -> None:
    first = _worker("tune", "first", tmp_path, server.url)
    _await(tmp_path / "first.log", first)
    doomed = _worker("work", "doomed", tmp_path, server.url, SPLASHGEN_TEST_STUCK="1")
    helper = _worker("work", "helper", tmp_path, server.url)
    _await(tmp_path / "stuck", first)
    doomed.send_signal(signal.SIGKILL)
    assert doomed.wait() == -signal.SIGKILL
    assert first.wait(180) == 0 and helper.wait(180) == 0

    logs = {name: (tmp_path / f"{name}.log").read_text().splitlines() for name in CREW}
    assert all(len(lines) >= 2 for lines in logs.values()), "each had a part in it"
    told, stuck = logs["doomed"]
    done = Counter(logs["first"] + logs["helper"] + [told])
    assert set(done.values()) == {1}, "no candidate was evaluated again whose end was known"
    assert len(done) == len(PROBLEMS) * POINTS, "none was lost"
    assert stuck in done, "what the killed worker was at, another one has done"

    for journal in _journals(open_storage(server.url)):
        assert journal.finished is not None
        hashes = [record.code_hash for record in journal.records() if not record.free]
        assert len(hashes) == len(set(hashes)) == POINTS
        fastest = min(journal.records(), key=lambda record: record.outcome.median)
        assert journal.finished["entry"]["config"] == fastest.config.as_dict()
    files = [load(tmp_path / name / "CONFIG" / "cpu.yaml").entries for name in ("first", "helper")]
    winners = [{str(entry.problem): entry.config for entry in entries} for entries in files]
    assert winners[0] == winners[1] and len(winners[0]) == len(PROBLEMS), "both machines have the winners"


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """This process is the only worker."""
    monkeypatch.setenv("SPLASHGEN_TEST_WORKER", "alone")
    monkeypatch.setenv("SPLASHGEN_TEST_LOG", str(tmp_path))
    return tmp_path / "alone.log"


def test_a_database_that_goes_away_and_comes_back_is_waited_for(
    server: Server, alone: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, TrialEnded) and event.number == 5:
            server.stop()
            threading.Timer(2.0, server.start).start()

    storage = open_storage(server.url, patience_seconds=60.0)
    (ended,) = tune(PROBLEMS[:1], CPU, LIMITS, storage=storage, notify=stop, tools=TOOLS).ended
    assert ended.entry is not None and ended.entry.trials == POINTS
    assert len(alone.read_text().splitlines()) == POINTS, "nothing was done twice"
    assert "does not answer" in caplog.text and "answers again" in caplog.text
    assert "s3cret" not in caplog.text and "Traceback" not in caplog.text


def test_a_database_that_stays_away_is_given_up_and_the_same_call_goes_on_later(
    server: Server, alone: Path
) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, TrialEnded) and event.number == 5:
            server.stop()

    storage = open_storage(server.url, patience_seconds=1.0)
    began = time.monotonic()
    sentence = r"has not answered for 1 s .*the same command goes on"
    with pytest.raises(StorageLostError, match=sentence) as caught:
        tune(PROBLEMS[:1], CPU, LIMITS, storage=storage, notify=stop, tools=TOOLS)
    assert time.monotonic() - began < 60
    assert "s3cret" not in str(caught.value)
    server.start()
    (ended,) = tune(PROBLEMS[:1], CPU, LIMITS, storage=open_storage(server.url), tools=TOOLS).ended
    assert ended.entry is not None and ended.entry.trials == POINTS
    lines = alone.read_text().splitlines()
    assert len(set(lines)) == POINTS and len(lines) <= POINTS + 1, "at most what was in flight is done again"


def test_the_fastest_replayed_candidate_is_not_the_default() -> None:
    """Otherwise the tests above would say little about winners."""
    for problem in PROBLEMS:
        family = family_for(problem, CPU)
        points = family.space.narrowed(problem, CPU).feasible(problem, CPU)
        assert min(points, key=replay_fakes.milliseconds) != family.default(problem, CPU)

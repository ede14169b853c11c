"""Storages that cannot be opened, are full, or go away: a sentence that says what to do, without a secret."""

import logging
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy.exc

from splashgen.families import family_for
from splashgen.gpu import CPU
from splashgen.problem import DType
from splashgen.tune.database.patience import Patience, StorageError, StorageLostError
from splashgen.tune.database.storage import open_storage
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.presets import entmax
from splashgen.tune.search.search import Search
from splashgen.tune.study.journal import Journal

PROBLEM = entmax(DType.FLOAT32, 1024)
SPACE = family_for(PROBLEM, CPU).space.narrowed(PROBLEM, CPU)


def _gone() -> sqlalchemy.exc.OperationalError:
    return sqlalchemy.exc.OperationalError("SELECT 1", {}, sqlite3.OperationalError("it went away"))


@pytest.mark.parametrize(
    "url",
    ["mysql://me:s3cret@host/db", "postgres//me:s3cret@host", "", "sqlite://", "postgresql+asyncpg://h/d"],
)
def test_what_is_no_url_of_a_storage_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StorageError, match=r"--storage .* must .*sqlite:////folder/studies\.db") as caught:
        open_storage(url)
    assert "s3cret" not in str(caught.value)


def test_a_server_that_is_not_there_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setattr("splashgen.tune.database.storage._FIRST_SECONDS", 0.1)
    with pytest.raises(
        StorageLostError, match=r"postgresql://me@127\.0\.0\.1:1/db has not answered"
    ) as caught:
        open_storage("postgresql://me:s3cret@127.0.0.1:1/db?sslmode=disable")
    assert "s3cret" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"Studies cannot be kept in .*file/state.*SPLASHGEN_STATE_DIR"):
        open_storage(tmp_path / "file" / "state")


def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "studies.db").write_text("These are my notes. " * 100)
    with pytest.raises(StorageError, match=r"studies\.db cannot be used \(file is not a database\)"):
        open_storage(tmp_path)
    assert (tmp_path / "studies.db").read_text().startswith("These are my notes.")


def test_a_disk_that_fills_up_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(tmp_path, patience_seconds=30.0)
    search = Search(Journal(storage, PROBLEM, CPU, SPACE), SPACE, PROBLEM, CPU, (), None)
    ticket = search.next()
    assert ticket is not None
    engine = storage.optuna.inner._backend.engine  # type: ignore[attr-defined]
    full = {"now": True}

    @sqlalchemy.event.listens_for(engine, "before_cursor_execute")
    def refuse(connection, cursor, statement, parameters, context, many) -> None:
        if full["now"] and statement.startswith(("INSERT", "UPDATE")):
            # SQLite's own limit raises SQLite's own error.
            pages = cursor.execute("PRAGMA page_count").fetchone()[0]
            cursor.execute(f"PRAGMA max_page_count = {pages}")

    def free_space(seconds: float) -> None:
        full["now"] = False
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")

    monkeypatch.setattr("splashgen.tune.database.patience.time.sleep", free_space)
    outcome = Outcome(Status.WRONG, "It is wrong. " * 2000)
    with caplog.at_level(logging.WARNING):
        assert search.tell(ticket, outcome, 1.0)
    assert "database or disk is full" in caplog.text and "answers again" in caplog.text
    (record,) = Journal(open_storage(tmp_path), PROBLEM, CPU, SPACE).records()
    assert record.outcome == outcome


def test_patience_ends_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def away() -> None:
        calls.append(1)
        raise _gone()

    patience = Patience("The studies", 0.3)
    with pytest.raises(StorageLostError, match=r"The studies has not answered for 0\.3 s \(it went away\)"):
        patience(away)
    assert len(calls) > 1
    with pytest.raises(StorageLostError):
        patience(calls.append, 1)
    assert set(calls) == {1} and patience.troubled is not None


def test_a_mistake_is_not_tried_again() -> None:
    def mistaken() -> None:
        calls.append(1)
        raise sqlalchemy.exc.ProgrammingError("SELEKT", {}, sqlite3.ProgrammingError("syntax"))

    calls: list[int] = []
    with pytest.raises(StorageError, match="cannot be used"):
        Patience("The studies", 60.0)(mistaken)
    assert len(calls) == 1

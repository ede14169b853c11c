"""Where studies are kept: an SQLite file of this machine, or a PostgreSQL server that many machines share."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.event
import sqlalchemy.exc
from optuna.storages import BaseStorage
from sqlalchemy.engine import URL, make_url

from splashgen.tune.database.heart import Heart
from splashgen.tune.database.mutex import Mutex, advisory, on_file
from splashgen.tune.database.patience import Patience, StorageError, patient
from splashgen.tune.database.state import state_folder, writable

__all__ = ["Storage", "open_storage"]

_FILE_SECONDS, _SERVER_SECONDS = 60.0, 600.0
"""How long a storage that does not answer is waited for."""
_FIRST_SECONDS = 20.0
"""The same when it is opened: a name that is wrong stays wrong."""
_BEAT_SECONDS, _GRACE_SECONDS = 10.0, 60.0
_SERVER_ARGUMENTS = {
    "connect_timeout": 10,
    "application_name": "splashgen",
    # A machine that vanished without a word is noticed within a minute, by either side.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "options": "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
}


class Storage:
    """An Optuna storage that waits for its database, and the locks that workers on it take turns by.

    `optuna-dashboard` opens the same database.

    Parameters
    ----------
    url : str
        As it was asked for; a worker that joins needs it.
    inner : BaseStorage
        Optuna's own.
    mutex : callable
        Its name → the lock of that name, which all workers of this storage share.
    patience : Patience
        How long is waited for the database.
    beat_seconds : float
        Between two signs of life of a worker.
    grace_seconds : float
        Without one, after which others take its candidates over.
    """

    def __init__(
        self,
        url: str,
        inner: BaseStorage,
        mutex: Callable[[str], Mutex],
        patience: Patience,
        beat_seconds: float = _BEAT_SECONDS,
        grace_seconds: float = _GRACE_SECONDS,
    ) -> None:
        self.url, self.mutex, self.patience = url, mutex, patience
        self.grace_seconds = grace_seconds
        self.heart = Heart(inner, beat_seconds)
        self.optuna: BaseStorage = patient(inner, patience)
        """What studies are made with."""


def open_storage(
    where: str | Path | None = None,
    *,
    patience_seconds: float | None = None,
    beat_seconds: float = _BEAT_SECONDS,
    grace_seconds: float = _GRACE_SECONDS,
) -> Storage:
    """Open the storage at a URL, or make it.

    Parameters
    ----------
    where : str or Path, optional
        `sqlite:///FILE`, `postgresql://USER@HOST/DATABASE`, or a folder for a file `studies.db`; the folder
        `state_folder()` if left out. A password may stand in the URL, in PGPASSWORD or in ~/.pgpass; no
        message shows it.
    patience_seconds : float, optional
        How long a database that does not answer is waited for; a minute for a file, ten for a server if left
        out.
    beat_seconds, grace_seconds : float
        See `Storage`; all workers on a storage need the same.

    Raises
    ------
    StorageError
        If it cannot be opened; the sentence says why, and what to do.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if where is None or isinstance(where, Path):
        where = f"sqlite:///{(where or state_folder()) / 'studies.db'}"
    url = _parsed(where)
    if url.get_backend_name() == "sqlite":
        return _open_file(where, url, patience_seconds or _FILE_SECONDS, beat_seconds, grace_seconds)
    return _open_server(where, url, patience_seconds or _SERVER_SECONDS, beat_seconds, grace_seconds)


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except sqlalchemy.exc.ArgumentError:
        url = None
    # The text is not repeated: it may hold a password.
    if url is None or url.drivername not in ("sqlite", "postgresql", "postgresql+psycopg"):
        raise StorageError(
            "--storage is not a URL of a database that splashgen can use; it must look like "
            "postgresql://user@host/database or sqlite:////folder/studies.db."
        )
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise StorageError(
            "--storage names an SQLite database in memory, but it must be a file: sqlite:////folder/studies.db."
        )
    return url


def _open_file(text: str, url: URL, seconds: float, beat: float, grace: float) -> Storage:
    path = Path(str(url.database))
    writable(path.parent)
    patience = Patience(f"The file of studies {path}", seconds)
    inner = _connected(text, patience.name, {"connect_args": {"timeout": 10}})
    sqlalchemy.event.listen(inner.engine, "connect", _without_waiting)
    inner.engine.dispose()  # connections made before do not know
    return Storage(text, optuna.storages.get_storage(inner), on_file(path), patience, beat, grace)


def _without_waiting(connection: Any, record: Any) -> None:
    """A trial is a dozen commits. With a write-ahead log none waits for the disk; a kill still loses none.

    Only a power cut may lose the last trials; it cannot damage the file.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _open_server(text: str, url: URL, seconds: float, beat: float, grace: float) -> Storage:
    name = URL.create(url.drivername, url.username, None, url.host, url.port, url.database).render_as_string()
    given = {key: value for key, value in _SERVER_ARGUMENTS.items() if key not in url.query}
    options = {"pool_pre_ping": True, "connect_args": given}
    patience = Patience(f"The storage {name}", seconds)
    full = url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    inner = _connected(full, patience.name, options)
    return Storage(text, optuna.storages.get_storage(inner), advisory(inner.engine), patience, beat, grace)


def _connected(url: str, name: str, options: dict[str, Any]) -> Any:
    """Optuna's storage; a server that is still starting is waited for, but not for long."""
    try:
        return Patience(name, _FIRST_SECONDS)(_made, url, options)
    except ImportError:
        raise StorageError(
            "A PostgreSQL storage needs psycopg; install it with: pip install 'splashgen-kernels[postgres]'"
        ) from None
    except RuntimeError as error:
        raise StorageError(
            f"{name} was written by another version of Optuna ({error}); `optuna storage upgrade` brings an "
            "older one up to date, a newer one needs a newer Optuna here."
        ) from error


def _made(url: str, options: dict[str, Any]) -> optuna.storages.RDBStorage:
    for _ in range(10):
        # Another worker may make the same tables at this moment.
        with contextlib.suppress(sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError):
            return optuna.storages.RDBStorage(url, engine_kwargs=dict(options))
    return optuna.storages.RDBStorage(url, engine_kwargs=dict(options))

"""Locks that workers on one storage share, and that nobody holds any more once its holder is dead."""

import contextlib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import filelock
import sqlalchemy
import sqlalchemy.exc
from sqlalchemy.engine import Engine

__all__ = ["Mutex", "MutexLost", "advisory", "on_file"]


class MutexLost(Exception):
    """The lock was let go of while it was needed: its connection broke."""


class Mutex(Protocol):
    """A lock that is held as a context."""

    def __call__(
        self, *, wait: bool = True, seconds: float = 60.0
    ) -> contextlib.AbstractContextManager[bool]:
        """Hold the lock.

        Parameters
        ----------
        wait : bool
            Until it is free. Without, the context's value says whether it was.
        seconds : float
            After which a holder that does nothing loses it.

        Raises
        ------
        MutexLost
            On leaving, if somebody else could have taken it meanwhile.
        """


def on_file(path: Path) -> Callable[[str], Mutex]:
    """The locks of a storage in a file: files beside it, so its workers share a machine."""

    def named(name: str) -> Mutex:
        @contextlib.contextmanager
        def hold(*, wait: bool = True, seconds: float = 60.0) -> Iterator[bool]:
            lock = filelock.FileLock(f"{path}.{zlib.crc32(name.encode()):08x}.lock")
            try:
                lock.acquire(timeout=-1 if wait else 0)
            except filelock.Timeout:
                yield False
                return
            try:
                yield True
            finally:
                lock.release()

        return hold

    return named


def advisory(engine: Engine) -> Callable[[str], Mutex]:
    """PostgreSQL's advisory locks: the server frees one when its holder's connection ends."""

    def named(name: str) -> Mutex:
        # 64 bits of two sums: names that differ in one number must not meet.
        key = zlib.crc32(name.encode()) << 31 | zlib.adler32(name.encode()) >> 1

        @contextlib.contextmanager
        def hold(*, wait: bool = True, seconds: float = 60.0) -> Iterator[bool]:
            with contextlib.ExitStack() as stack:
                connection = stack.enter_context(engine.connect())
                limit = f"SET LOCAL idle_in_transaction_session_timeout = {int(seconds * 1000)}"
                connection.execute(sqlalchemy.text(limit))
                call = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
                answer = connection.execute(sqlalchemy.text(f"SELECT {call}(:key)"), {"key": key}).scalar()
                held = wait or bool(answer)
                yield held
                try:
                    connection.execute(sqlalchemy.text("SELECT 1"))
                    connection.commit()
                except sqlalchemy.exc.DBAPIError as error:
                    connection.invalidate()
                    if held:
                        raise MutexLost from error

        return hold

    return named

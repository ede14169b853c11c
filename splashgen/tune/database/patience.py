"""`Patience`: a database that goes away is waited for, said in a sentence, and given up only after long."""

import logging
import time
from collections.abc import Callable
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.storages import BaseStorage

from splashgen.errors import SplashgenError
from splashgen.tune.processes import interrupt

__all__ = ["Patience", "StorageError", "StorageLostError", "cause_of", "patient"]

_LOGGER = logging.getLogger(__name__)
_SHORTEST, _LONGEST = 0.1, 10.0
"""Seconds between two attempts: each pause is twice the one before."""
_HOPELESS = ("readonly database", "unable to open", "no such table", "authentication", "does not exist")
"""In errors that drivers report like a broken connection, and that no waiting mends."""


class StorageError(SplashgenError):
    """The studies cannot be kept or read where they were asked for."""


class StorageLostError(StorageError):
    """The storage went away and did not come back in time; what was told before is in it."""


class Patience:
    """Makes calls to a storage again until they succeed.

    Parameters
    ----------
    name : str
        Of the storage, for people; without its password.
    seconds : float
        Without an answer, after which the storage is given up: from then on every call fails at once.

    Examples
    --------
    >>> Patience("the studies", 60.0)(max, 1, 2)
    2
    """

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self._seconds = name, seconds
        self._lost: StorageLostError | None = None
        self.troubled: float | None = None
        """`time.monotonic()` of the last call that failed, or None."""

    def __call__(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """`function(*arguments, **options)`, made again while the storage does not answer.

        Raises
        ------
        StorageLostError
            If it did not answer in time, now or in an earlier call.
        StorageError
            If trying again cannot help.
        """
        if self._lost is not None:
            raise self._lost
        began, pause, told = time.monotonic(), _SHORTEST, False
        while True:
            try:
                answer = function(*arguments, **options)
            except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.DBAPIError) as error:
                self.troubled = time.monotonic()
                why = cause_of(error)
                if not _may_pass(error):
                    raise StorageError(
                        f"{self.name} cannot be used ({why}); check that it is the right one, that it is "
                        "whole, and that you may write to it."
                    ) from error
                if self.troubled - began >= self._seconds:
                    raise self._given_up(why) from error
                if not told:
                    _LOGGER.warning(
                        "%s does not answer (%s); trying again for %g s.", self.name, why, self._seconds
                    )
                told = True
                interrupt.pause(pause)
                pause = min(2.0 * pause, _LONGEST)
            else:
                if told:
                    _LOGGER.warning("%s answers again; going on.", self.name)
                return answer

    def _given_up(self, why: str) -> StorageLostError:
        self._lost = StorageLostError(
            f"{self.name} has not answered for {self._seconds:g} s ({why}). Every trial that had ended is "
            "kept there: when it is back, the same command goes on from there."
        )
        return self._lost


def cause_of(error: BaseException) -> str:
    """The driver's own words, the first line of them."""
    found = _driver_error(error)
    words = str(found.orig if found is not None and found.orig is not None else error).strip()
    return words.splitlines()[0][:300].rstrip(". ") if words else type(error).__name__


def _driver_error(error: BaseException | None) -> sqlalchemy.exc.DBAPIError | None:
    while error is not None and not isinstance(error, sqlalchemy.exc.DBAPIError):
        error = error.__cause__ or error.__context__
    return error


def _may_pass(error: BaseException) -> bool:
    """Whether it is the connection, a lock or a full disk, and no mistake in what was asked."""
    found = _driver_error(error)
    if found is None:
        return False
    if found.connection_invalidated or isinstance(found, sqlalchemy.exc.InterfaceError):
        return True
    return isinstance(found, sqlalchemy.exc.OperationalError) and not any(
        words in str(found.orig) for words in _HOPELESS
    )


def patient(inner: BaseStorage, patience: Patience) -> BaseStorage:
    """The same storage, each of whose operations is made with patience."""
    storage: BaseStorage = _Patient(inner, patience)
    return storage


class _Delegate(BaseStorage):
    def __init__(self, inner: BaseStorage, patience: Patience) -> None:
        self.inner, self.patience = inner, patience

    def remove_session(self) -> None:
        self.inner.remove_session()


def _patiently(name: str) -> Callable[..., Any]:
    def operation(self: Any, *arguments: Any, **options: Any) -> Any:
        return self.patience(getattr(self.inner, name), *arguments, **options)

    operation.__name__ = name
    return operation


# The operations are Optuna's to name: whatever it declares abstract, in any version, is passed on.
_Patient: Any = type(
    "_Patient", (_Delegate,), {name: _patiently(name) for name in BaseStorage.__abstractmethods__}
)

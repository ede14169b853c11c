"""`Turns`: the locks by which the workers on a study keep out of each other's way."""

import contextlib
from collections.abc import Iterator

from splashgen.tune.database.mutex import MutexLost
from splashgen.tune.database.storage import Storage

__all__ = ["Turns"]

_CLOSING_SECONDS = 3600.0
"""After which whoever looks for the winner is taken for dead, should its connection outlive it."""


class Turns:
    """One worker at a time hands out candidates, and one at a time looks for the winner.

    Parameters
    ----------
    storage : Storage
        Whose locks they are; one that does not answer is waited for.
    study : str
        Whose turns they are.
    """

    def __init__(self, storage: Storage, study: str) -> None:
        self._patience = storage.patience
        self._turn = storage.mutex(f"{study} | turn")
        self._shoot_out = storage.mutex(f"{study} | shoot-out")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While it lasts, nobody else has this turn.

        Raises
        ------
        MutexLost
            On leaving, if somebody else may have had it meanwhile.
        """
        with contextlib.ExitStack() as stack:
            self._patience(lambda: stack.enter_context(self._turn()))
            yield

    @contextlib.contextmanager
    def closing(self) -> Iterator[bool]:
        """The right to find the winner; the value is False if another worker has it."""
        with contextlib.suppress(MutexLost), contextlib.ExitStack() as stack:
            yield self._patience(
                lambda: stack.enter_context(self._shoot_out(wait=False, seconds=_CLOSING_SECONDS))
            )

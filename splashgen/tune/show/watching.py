"""Whoever shows the tuner's events or writes them down, as the command line asks for."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from rich.console import Console

from splashgen.tune.show.display import JsonLines, LiveView, PlainLines, all_of, interruption
from splashgen.tune.show.events import Event, Interrupted, Notify

__all__ = ["watching"]


@contextlib.contextmanager
def watching(log: Path | None, verbose: bool, quiet: bool) -> Iterator[Notify]:
    """What is to be told every event; files and the terminal are let go of on leaving.

    Parameters
    ----------
    log : Path, optional
        A file to which every event is appended as a line of JSON.
    verbose : bool
        Show every trial.
    quiet : bool
        Show nothing but that a Ctrl-C was heard.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """
    console = Console(stderr=True)
    watchers: list[Notify] = []
    with contextlib.ExitStack() as stack:
        if log is not None:
            watchers.append(JsonLines(stack.enter_context(_opened(log))))
        if console.is_terminal and not quiet:
            watchers.append(stack.enter_context(LiveView(console, verbose)))
        else:
            watchers.append(_interruptions if quiet else PlainLines(verbose=verbose))
        yield all_of(watchers)


def _opened(log: Path) -> TextIO:
    try:
        return log.open("a", encoding="utf-8")
    except OSError as error:
        raise OSError(
            f"--log {log} cannot be written: {error.strerror}; name a file in a folder that exists and is "
            "writable."
        ) from None


def _interruptions(event: Event) -> None:
    if isinstance(event, Interrupted):
        print(interruption(event), file=sys.stderr, flush=True)

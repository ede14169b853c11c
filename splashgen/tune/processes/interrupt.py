"""Ctrl-C while tuning: noted when it comes, raised where the tuner can stop.

Python raises KeyboardInterrupt wherever it happens to be. If that is a callback of the garbage collector, it
is printed and lost; if it is in the middle of a trial's last words, they are.
"""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TypeVar

__all__ = ["deferred", "look", "noted", "pause", "until"]

_SLICE_SECONDS = 0.1
"""Of waiting between two looks."""

Answer = TypeVar("Answer")


class _Noted:
    """What the signal handler knows; there is one of it, as there is one handler a process."""

    times = 0
    pending = False


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """While it lasts, the first Ctrl-C is kept for `look`; every later one raises at once.

    Does nothing in a thread that is not the main one, which no signal reaches, nor where SIGINT is ignored or
    the application has a handler of its own.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    _Noted.times, _Noted.pending = 0, False
    signal.signal(signal.SIGINT, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _Noted.pending = False


def noted() -> bool:
    """Whether a Ctrl-C waits for `look`."""
    return _Noted.pending and threading.current_thread() is threading.main_thread()


def look() -> None:
    """Stop here if that is asked for.

    Raises
    ------
    KeyboardInterrupt
        Once for a Ctrl-C, in the main thread alone.
    """
    if noted():
        _Noted.pending = False
        raise KeyboardInterrupt


def until(ready: Callable[[float], Answer], seconds: float = math.inf) -> Answer:
    """Wait with an eye on Ctrl-C.

    Parameters
    ----------
    ready : callable
        Waits for at most so many seconds; what it answers is true as soon as the wait is over.
    seconds : float
        After which its answer is taken as it is.

    Raises
    ------
    KeyboardInterrupt
        As `look` does.
    """
    deadline = time.monotonic() + seconds
    while True:
        look()
        left = deadline - time.monotonic()
        answer = ready(max(min(_SLICE_SECONDS, left), 0.0))
        if answer or left <= _SLICE_SECONDS:
            return answer


def pause(seconds: float) -> None:
    """Sleep with an eye on Ctrl-C."""
    until(time.sleep, seconds)


def _note(number: int, frame: FrameType | None) -> None:
    _Noted.times += 1
    _Noted.pending = True
    if _Noted.times > 1:
        raise KeyboardInterrupt

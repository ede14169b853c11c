"""`limited`: a block that must end in time, or the process does."""

import contextlib
import faulthandler
import os
import sys
import threading
from collections.abc import Callable, Iterator

__all__ = ["EXIT_STATUS", "limited"]

EXIT_STATUS = 3
"""Of a process that was ended."""


@contextlib.contextmanager
def limited(seconds: float, expired: Callable[[], None]) -> Iterator[None]:
    """Call `expired` and end the process if the block takes longer, wherever it is stuck.

    What waits for a GPU or for a compiler cannot be interrupted from Python: only the process can be ended.
    Where each thread was is written to stderr.
    """

    def end() -> None:
        try:
            expired()
            faulthandler.dump_traceback(2)  # not sys.stderr, which may be no file
            sys.stdout.flush()
        finally:
            os._exit(EXIT_STATUS)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

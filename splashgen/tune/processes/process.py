"""A process that runs one call at a time under a hard limit, and is replaced when it dies or hangs."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import TracebackType
from typing import Any

from splashgen.tune.processes import interrupt

__all__ = ["CallCrashed", "CallHung", "CallLost", "Process", "idle"]

_START_SECONDS = 180.0
"""Importing torch on a cold disk and the first CUDA context are not the candidate's fault."""
_LAST_SECONDS = 10.0
"""For a process that has closed its connection to end: its driver may be clearing up still."""


def idle() -> None:
    """Nothing to do meanwhile."""


class CallLost(Exception):
    """A call whose process gave no answer; the text is a sentence that says why."""


class CallHung(CallLost):
    """The limit passed."""


class CallCrashed(CallLost):
    """The process died."""


class Process:
    """Runs functions in another process.

    The process is started on the first call and after every loss, with a session of its own: Ctrl-C reaches
    the tuner alone, which decides what to keep.

    Parameters
    ----------
    environment : mapping, optional
        Variables that it gets besides those of this process.

    Examples
    --------
    >>> import math
    >>> with Process() as process:
    ...     process.call(math.sqrt, 9.0, limit_s=10.0)
    3.0
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(environment or {})
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection[Any, Any] | None = None
        self._prepared = False
        self._killed = False
        # Either `kill` finds the process, or it comes first and none is started.
        self._starting = threading.Lock()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)

    def prepare(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Start the process if there is none, with a call whose answer is of no interest.

        The next call waits for its end, as it would for the start.
        """
        if self._child is None:
            with contextlib.suppress(OSError, CallCrashed):  # the next call says what is wrong
                self._started().send((function, arguments))
                self._prepared = True

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        limit_s: float,
        meanwhile: Callable[[], None] = idle,
    ) -> Any:
        """`function(*arguments)`, where function is one that can be imported by its name.

        Parameters
        ----------
        limit_s : float
            Seconds that it may take.
        meanwhile : callable
            Called here while it runs there; its time counts for no limit.

        Raises
        ------
        CallHung, CallCrashed
            If no answer came, or the process could not be started; the next call starts a new one.
        Exception
            Whatever the function raised, or `meanwhile`, which also ends the process.
        """
        try:
            with self._losses():
                pipe = self._started()
                pipe.send((function, arguments))
            meanwhile()
            with self._losses():
                # A prepared process says first that it has begun with that, and how it ended.
                for _ in range(3 if self._prepared else 1):
                    self._expect(pipe, _START_SECONDS, "The worker did not start")
                self._prepared = False
                answer = self._expect(pipe, limit_s, "It did not end")
        except BaseException:
            self.close()
            raise
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def kill(self) -> None:
        """End the process for good, also while another thread starts it or waits for its answer.

        There, the call raises `CallCrashed`, as every later one does.
        """
        with self._starting:
            self._killed = True
            child = self._child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the process, with whatever it started."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        if self._pipe is not None:
            self._pipe.close()
        self._child = self._pipe = None
        self._prepared = False

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        self._stderr.close()

    def _started(self) -> "Connection[Any, Any]":
        if self._child is None or self._pipe is None:
            try:
                here, there = Pipe()
                with there, contextlib.ExitStack() as unless_started:
                    unless_started.enter_context(here)
                    self._start(there.fileno())
                    unless_started.pop_all()
            except OSError as error:
                raise CallCrashed(f"Its process could not be started: {error}.") from error
            self._pipe = here
        return self._pipe

    def _start(self, connection: int) -> None:
        self._stderr.seek(0)
        self._stderr.truncate()
        with self._starting:
            if self._killed:
                raise CallCrashed("Its process was ended for good.")
            self._child = subprocess.Popen(
                [sys.executable, "-m", "splashgen.tune.processes.worker", str(connection)],
                pass_fds=[connection],
                stdin=subprocess.DEVNULL,
                stdout=self._stderr,
                stderr=self._stderr,
                env={**os.environ, "PYTHONPATH": _import_path(), **self._environment},
                start_new_session=True,
            )

    @contextlib.contextmanager
    def _losses(self) -> Iterator[None]:
        """While it lasts, a connection that breaks means that the process died."""
        try:
            yield
        except (EOFError, OSError) as error:
            raise CallCrashed(self._obituary()) from error

    @staticmethod
    def _expect(pipe: "Connection[Any, Any]", limit_s: float, what: str) -> Any:
        if not interrupt.until(pipe.poll, limit_s):
            raise CallHung(f"{what} within {limit_s:g} s, so its process was ended.")
        return pipe.recv()

    def _obituary(self) -> str:
        assert self._child is not None
        try:
            code = self._child.wait(_LAST_SECONDS)
            how = f"died of {signal.Signals(-code).name}" if code < 0 else f"died with exit code {code}"
        except subprocess.TimeoutExpired:
            how = f"closed its connection and did not end within {_LAST_SECONDS:g} s, so it was ended"
        self.close()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        said = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
        return f"Its process {how}" + (f": {said[:300]}" if said else ".")


def _import_path() -> str:
    """What this process can import, the worker can."""
    root = str(Path(__file__).resolve().parents[3])
    return os.pathsep.join(dict.fromkeys([root, *(path for path in sys.path if path)]))

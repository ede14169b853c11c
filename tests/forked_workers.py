"""Workers of the tuner that are forked from a process which has imported torch and splashgen already.

Started as users start them, each spends two seconds on imports. That start is what `tests/tune/processes`
and `tests/tune/measure` are about, and a real run of the command.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import IO, Any

from splashgen.tune.processes import process, worker

__all__ = ["run", "use"]

_CONTEXT = multiprocessing.get_context("forkserver")
_IMPORTED = (
    "splashgen.tune.measure.evaluate",
    "splashgen.tune.processes.worker",
    "splashgen.tune.tuner",
    "torch.fx.experimental.symbolic_shapes",  # at the first gradient
)
_CONTEXT.set_forkserver_preload(list(_IMPORTED))


class Forked:
    """As much of `subprocess.Popen` as `Process` asks of its worker."""

    def __init__(
        self, command: list[str], *, pass_fds: list[int], stdout: IO[bytes], env: dict[str, str], **rest: Any
    ) -> None:
        assert command[:3] == [sys.executable, "-m", worker.__name__] and rest["start_new_session"]
        # A connection is how descriptors are handed over; where they lead does not matter.
        pipe, output = (Connection(os.dup(file)) for file in (*pass_fds, stdout.fileno()))
        begun, begins = Pipe()
        with pipe, output, begun, begins:
            self._child = _CONTEXT.Process(target=_work, args=(pipe, output, begins, env))
            self._child.start()
            begins.close()
            begun.recv_bytes()
        self.pid = self._child.pid

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, or -n where signal n ended it."""
        self._child.join(timeout)
        if self._child.exitcode is None:
            raise subprocess.TimeoutExpired(worker.__name__, timeout or 0.0)
        return self._child.exitcode


class Starter:
    """Stands for the module `subprocess` in `splashgen.tune.processes.process`."""

    DEVNULL, TimeoutExpired, Popen = subprocess.DEVNULL, subprocess.TimeoutExpired, Forked


def use(patch: Any) -> None:
    """Fork workers as long as this patch of pytest lasts."""
    patch.setattr(process, "subprocess", Starter)


def run(function: Callable[..., Any], *arguments: Any) -> int:
    """The exit code of a process that calls a function, or -n where signal n ended it."""
    child = _CONTEXT.Process(target=_call, args=(dict(os.environ), function, arguments))
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def _call(env: dict[str, str], function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(env)
    function(*arguments)


def _work(pipe: Connection, output: Connection, begins: Connection, env: dict[str, str]) -> None:
    os.setsid()
    with begins:
        begins.send_bytes(b"in a session of its own")
    for descriptor in (1, 2):
        os.dup2(output.fileno(), descriptor)
    os.environ.clear()
    os.environ.update(env)
    sys.argv[:] = [worker.__name__, str(pipe.fileno())]
    worker.main()

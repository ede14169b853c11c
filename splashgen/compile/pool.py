"""A pool of compile processes that outlives compilers which crash or hang."""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from splashgen.compile.kernels import CompiledKernel, compile_kernels
from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.gpu import Gpu
from splashgen.problem import Problem

__all__ = ["CompilePool", "Job", "NotStartedError", "Work", "compile_many"]

Answer_co = TypeVar("Answer_co", covariant=True)


class NotStartedError(KernelError):
    """A job was not compiled because the machine had no process, file or memory left for it."""


class Work(Protocol[Answer_co]):
    """What a compile process can do: it is pickled there, run, and its answer pickled back."""

    @property
    def config(self) -> object:
        """What is compiled, named where the work fails."""

    @property
    def gpu(self) -> Gpu:
        """Named where the work fails."""

    def run(self) -> Answer_co:
        """Do it, in the compile process."""


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to compile."""

    problem: Problem
    config: Config
    gpu: Gpu
    counted: bool = False
    """Whether instructions are counted too."""

    def run(self) -> tuple[CompiledKernel, ...]:
        """Compile in this process."""
        return compile_kernels(self.problem, self.config, self.gpu, self.counted)


class CompilePool:
    """Compiles in processes of their own, which start when they are needed and never touch a GPU.

    Processes are started as `python -m splashgen.compile.worker` rather than forked or spawned: the caller's
    CUDA context, its `__main__` and its TRITON_INTERPRET stay out of them. A compiler that aborts, as LLVM
    does, costs its own job alone.

    Parameters
    ----------
    processes : int
        How many compile at the same time, at least 1.
    limit_s : float
        Seconds after which a job is given up and its process ended.

    Examples
    --------
    >>> with CompilePool(processes=2) as pool:                        # doctest: +SKIP
    ...     kernels = pool.submit(Job(problem, config, gpu)).result()
    """

    def __init__(self, processes: int, limit_s: float = 120.0) -> None:
        if processes < 1:
            raise ValueError(f"processes is {processes}, but must be at least 1.")
        self._limit_s = limit_s
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="splashgen-compile")
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        self._unfinished: set[Future[Any]] = set()
        self._busy: set[subprocess.Popen[bytes]] = set()

    @property
    def pending(self) -> int:
        """Jobs that are compiled now or wait for their turn."""
        return len(self._unfinished)

    def submit(self, job: Work[Answer_co]) -> "Future[Answer_co]":
        """Start working; the future raises `KernelError` where that fails."""
        future = self._threads.submit(self._compile, job)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    def close(self, at_once: bool = False) -> None:
        """Drop the jobs that have not begun, wait for the others or end them `at_once`, end the processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if at_once:
            for worker in self._busy.copy():
                _kill(worker)
        self._threads.shutdown(wait=True)
        with contextlib.suppress(queue.Empty):
            while True:
                _end(self._idle.get_nowait())

    def __enter__(self) -> "CompilePool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _compile(self, job: Work[Answer_co]) -> Answer_co:
        try:
            worker = self._idle.get_nowait()
        except queue.Empty:
            try:
                worker = _start()
            except OSError as error:
                raise NotStartedError(f"A compile process could not be started: {error}.") from error
        assert worker.stdin is not None and worker.stdout is not None
        alarm = threading.Timer(self._limit_s, _kill, [worker])
        alarm.start()
        self._busy.add(worker)
        try:
            pickle.dump(job, worker.stdin)
            worker.stdin.flush()
            answer: Answer_co | KernelError = pickle.load(worker.stdout)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            _end(worker)
            raise KernelError(
                f"The compiler ended with code {worker.returncode} on {job.config} for {job.gpu.slug} "
                f"(it is ended after {self._limit_s:g} s)."
            ) from error
        except BaseException:
            _end(worker)
            raise
        finally:
            alarm.cancel()
            self._busy.discard(worker)
        self._idle.put(worker)
        if isinstance(answer, KernelError):
            raise answer
        return answer


def _start() -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    here = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (here, environment.get("PYTHONPATH"))))
    # One thread each: the pool is what uses the cores.
    environment.setdefault("OMP_NUM_THREADS", "1")
    return subprocess.Popen(
        [sys.executable, "-m", "splashgen.compile.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the tuner, which then closes the pool
    )


def _end(worker: "subprocess.Popen[bytes]") -> None:
    for stream in (worker.stdin, worker.stdout):
        with contextlib.suppress(OSError):
            if stream is not None:
                stream.close()
    _kill(worker)
    worker.wait()


def _kill(worker: "subprocess.Popen[bytes]") -> None:
    """End the process with what it started, such as an assembler."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)


def compile_many(jobs: Iterable[Job], processes: int = 2) -> list[tuple[CompiledKernel, ...] | KernelError]:
    """Compile every job and answer in their order; a failure is an answer, not an exception."""
    with CompilePool(processes) as pool:
        futures = [pool.submit(job) for job in jobs]
        return [_answer(future) for future in futures]


def _answer(future: "Future[tuple[CompiledKernel, ...]]") -> tuple[CompiledKernel, ...] | KernelError:
    try:
        return future.result()
    except KernelError as error:
        return error

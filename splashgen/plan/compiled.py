"""What the compiler said of a candidate, kept on disk: to plan again, or to go on, is quick."""

import hashlib
import json
from concurrent.futures import Future
from dataclasses import asdict
from pathlib import Path

from splashgen.compile import CompiledKernel, CompilePool, Job
from splashgen.compile.loops import Loop
from splashgen.compile.pool import NotStartedError
from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.gpu import Gpu
from splashgen.kernel import source_folder
from splashgen.problem import Operation, Problem
from splashgen.render import render
from splashgen.replacing import replace_file
from splashgen.store import current

__all__ = ["Compiled", "cache_folder"]

_LAYOUT = 3
"""Of the files; another one means that old files are not read."""

Answer = tuple[CompiledKernel, ...] | KernelError


def cache_folder() -> Path:
    """Where answers are kept: beside the rendered files."""
    return source_folder().parent / "compiled"


class Compiled:
    """Answers from the disk, else from a pool of compilers, with instructions counted.

    Parameters
    ----------
    pool : CompilePool
        Asked for what is not on the disk.
    folder : Path, optional
        Where answers are kept; `cache_folder()` if left out.
    """

    def __init__(self, pool: CompilePool, folder: Path | None = None) -> None:
        self._pool = pool
        self._folder = folder or cache_folder()
        self.compiled = 0
        """How many were not on the disk."""

    def ask(self, problem: Problem, config: Config, gpu: Gpu) -> "Future[Answer]":
        """The kernels, or the error if they do not compile; errors are not kept."""
        path = self._folder / f"{_key(problem, config, gpu)}.json"
        answer: Future[Answer] = Future()
        if (known := _read(path)) is not None:
            answer.set_result(known)
            return answer
        self.compiled += 1
        self._pool.submit(Job(problem, config, gpu, counted=True)).add_done_callback(
            lambda done: _finish(done, answer, path)
        )
        return answer


def _key(problem: Problem, config: Config, gpu: Gpu) -> str:
    """Of all that decides the machine code: the source, how it is specialised, the target, the compiler."""
    # Attention's kernels are the same at every length, entmax's hold a whole row.
    shape = problem.semantics() if problem.operation is Operation.ATTENTION else problem
    parts = (_LAYOUT, render(problem, config).hash, shape, gpu.arch, current().triton)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


def _finish(done: "Future[tuple[CompiledKernel, ...]]", answer: "Future[Answer]", path: Path) -> None:
    if done.cancelled():
        answer.cancel()
        return
    error = done.exception()
    if error is None:
        _write(path, done.result())
        answer.set_result(done.result())
    elif isinstance(error, KernelError) and not isinstance(error, NotStartedError):
        answer.set_result(error)
    else:
        answer.set_exception(error)


def _read(path: Path) -> tuple[CompiledKernel, ...] | None:
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return tuple(
            CompiledKernel(**{**kernel, "loops": tuple(Loop(**loop) for loop in kernel["loops"])})
            for kernel in plain
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not there, or not whole


def _write(path: Path, kernels: tuple[CompiledKernel, ...]) -> None:
    """As a whole or not at all; a full or unwritable disk costs the next run its time, not this one."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps([asdict(kernel) for kernel in kernels]))
    except OSError:
        return

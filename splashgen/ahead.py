"""The first call of a kernel: what its module launches, forward and backward, is compiled side by side.

Triton compiles a kernel when it is first launched, one after the other, each with a C function that launches
it. Most of that is work outside Python (LLVM, the assembler, the C compiler), so threads share it.
"""

import contextlib
import contextvars
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from splashgen.kernel import Kernel
from splashgen.launches import with_launches

if TYPE_CHECKING:
    import torch

__all__ = ["KERNELS", "compile_ahead", "compiler_starting", "cores", "threads"]

_PREFIX = "splashgen-compile"
KERNELS = 8
"""That the attention of a long training call launches."""

_begun: set[tuple[Kernel, "torch.device"]] = set()
_compiler_started = False

Launch = tuple[Any, tuple[Any, ...], dict[str, Any]]
"""A `triton.runtime.JITFunction`, its arguments and its options."""


def threads() -> int:
    """How many kernels compile at a time: `SPLASHGEN_COMPILE_THREADS`, where 1 turns it off.

    If it is not set, as many as this process has cores, up to the kernels of a training call.

    Raises
    ------
    ValueError
        If the variable is no positive whole number.
    """
    chosen = os.environ.get("SPLASHGEN_COMPILE_THREADS")
    if not chosen:
        return min(KERNELS, cores())
    if not chosen.isdecimal() or int(chosen) < 1:
        raise ValueError(
            f"SPLASHGEN_COMPILE_THREADS is {chosen!r}, but must be a whole number from 1 on; 1 turns it off."
        )
    return int(chosen)


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def compiler_starting(backend: str) -> Iterator[None]:
    """While the block runs, start Triton in a thread: it hashes itself (300 MB and more) once a process.

    Parameters
    ----------
    backend : str
        `cuda`, `hip` or `cpu`, for which there is nothing to start.
    """
    global _compiler_started
    if backend == "cpu" or _compiler_started or threads() == 1:
        yield
        return
    _compiler_started = True
    thread = threading.Thread(target=_start_compiler, name=f"{_PREFIX}-start", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _start_compiler() -> None:
    # What goes wrong here goes wrong again at the launch, where it can be told.
    with contextlib.suppress(Exception):
        from triton.compiler import make_backend
        from triton.runtime import cache, driver

        make_backend(driver.active.get_current_target()).hash()
        cache.triton_key()


def compile_ahead(kernel: Kernel, arguments: tuple[Any, ...], features: dict[str, Any]) -> None:
    """Compile all that an attention kernel will launch on its device; does nothing the second time.

    Nothing is launched or loaded on the device. While a CUDA graph is captured, with Triton's interpreter, or
    for tensors that are not on a GPU, it does nothing: the launches then compile what they need.

    Parameters
    ----------
    kernel : Kernel
        Of the operation `attention`.
    arguments : (Tensor, Tensor, Tensor)
        Query, key and value as the kernel gets them, on the current device.
    features : dict
        The kernel's keyword arguments.
    """
    import torch

    device = arguments[0].device
    if device.type != "cuda" or (kernel, device) in _begun:
        return
    count = threads()
    if count == 1 or torch.cuda.is_current_stream_capturing():
        return
    _begun.add((kernel, device))
    import triton

    if triton.knobs.runtime.interpret:
        return
    # What fails here, for want of address space or in another release of Triton, must not fail a call.
    with contextlib.suppress(Exception):
        # Triton's mode is a context variable: in a context of our own, a caller's stays what it was.
        contextvars.Context().run(_compile, _launches(kernel, arguments, features), count)


def _launches(kernel: Kernel, arguments: tuple[Any, ...], features: dict[str, Any]) -> list[Launch]:
    """What forward and backward launch, found out by running them on host memory that nobody touches."""
    import torch

    found: list[Launch] = []

    def record(function: Any, *args: Any, **options: Any) -> None:
        found.append((function, args, options))

    # Triton asks for dtypes, strides and addresses alone. Meta tensors would do, but their first use takes
    # longer than this function: torch imports hundreds of modules. The scale's value does not matter.
    given = (*map(_stand_in, arguments), 1.0)
    options = {name: _stand_in(value) for name, value in features.items()}
    forward = with_launches(kernel.module, "forward", record)
    out, saved = forward(*given, **options)
    if kernel.backward is not None:
        backward = with_launches(kernel.module, "backward", record)
        backward(torch.empty_like(out), *given, saved, **options)
    return found


def _stand_in(value: Any) -> Any:
    import torch

    if not isinstance(value, torch.Tensor):
        return value
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="cpu")


def _compile(launches: list[Launch], count: int) -> None:
    import triton

    with (
        _WithLaunchers(count, thread_name_prefix=_PREFIX) as pool,
        triton.AsyncCompileMode(pool, ignore_errors=True),  # the launch meets the error again, and tells it
    ):
        for function, args, options in launches:
            function.run(*args, grid=None, warmup=True, **options)


class _WithLaunchers(ThreadPoolExecutor):
    """Each compiled kernel's launcher is compiled in the same thread, which leaves it in Triton's cache."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        def both() -> Any:
            from triton.runtime import driver

            compiled = work(*args, **kwargs)
            driver.active.launcher_cls(compiled.src, compiled.metadata)
            return compiled

        return super().submit(both)

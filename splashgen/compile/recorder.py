"""Turns Triton's launches into compilations for a chosen GPU, and collects what was compiled."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

from splashgen.gpu import Gpu

__all__ = ["compiling_for", "driver_of", "target_of"]


def target_of(gpu: Gpu) -> Any:
    """Triton's `GPUTarget` for a GPU, equal to what the real driver answers on it.

    Raises
    ------
    ValueError
        If the GPU is not one that Triton compiles for.
    """
    from triton.backends.compiler import GPUTarget

    if gpu.backend == "cuda":
        return GPUTarget("cuda", int(gpu.arch.removeprefix("sm_")), gpu.warp_size)
    if gpu.backend == "hip":
        return GPUTarget("hip", gpu.arch, gpu.warp_size)
    raise ValueError(f"gpu is {gpu.slug!r}, backend {gpu.backend!r}; only cuda and hip have a compiler.")


def driver_of(gpu: Gpu) -> Any:
    """Triton's driver class for a GPU, which need not be here."""
    from triton.backends import backends

    target = target_of(gpu)
    return next(each.driver for each in backends.values() if each.compiler.supports_target(target))


class _Driver:
    """Answers what Triton asks of a driver before a launch."""

    def __init__(self, gpu: Gpu) -> None:
        self._target = target_of(gpu)

    def get_current_target(self) -> Any:
        return self._target

    def get_current_device(self) -> str:
        # Triton keys its in-process caches by this: kernels of two targets must not mix.
        return f"{self._target.backend}:{self._target.arch}"

    def get_current_stream(self, device: str) -> int:
        return 0


@contextlib.contextmanager
def compiling_for(gpu: Gpu, share: tuple[int, int] = (0, 1)) -> Iterator[dict[str, Any]]:
    """Within the context `kernel[grid](...)` compiles for `gpu` and launches nothing.

    With the share (part, parts), only every parts-th launch does: several processes can share a module.

    Arguments may be tensors on torch's meta device; their address counts as aligned, as that of an allocation
    does, so Triton specialises and caches as it would at the real launch. One thread at a time.

    Yields
    ------
    dict of str to triton.compiler.CompiledKernel
        What was compiled so far, by Triton's hash, in the order of the launches.

    Raises
    ------
    RuntimeError
        If the process runs Triton's interpreter, which replaces the compiler for good.
    """
    import triton
    from triton.runtime.jit import JITFunction

    if triton.knobs.runtime.interpret:
        raise RuntimeError(
            "Kernels cannot be compiled in a process with TRITON_INTERPRET=1; "
            "call splashgen.compile.compile_many, which compiles in processes of its own."
        )
    compiled: dict[str, Any] = {}
    launches, (part, parts) = itertools.count(), share
    launch = JITFunction.run
    drivers = triton.runtime.driver
    before = drivers._active

    def compile_only(self: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        if next(launches) % parts != part:
            return None
        kernel = launch(self, *args, grid=grid, warmup=True, **kwargs)
        compiled.setdefault(kernel.hash, kernel)
        return kernel

    JITFunction.run = compile_only
    drivers.set_active(_Driver(gpu))
    try:
        yield compiled
    finally:
        JITFunction.run = launch
        drivers._active = before

"""The lock of a device: what times kernels on it has it alone."""

import contextlib
from collections.abc import Iterator

import filelock

from splashgen.errors import SplashgenError
from splashgen.gpu import Gpu
from splashgen.tune.journal import state_folder

__all__ = ["GpuBusyError", "exclusive"]


class GpuBusyError(SplashgenError):
    """Another process times kernels on the device: two would time each other."""


@contextlib.contextmanager
def exclusive(gpu: Gpu) -> Iterator[None]:
    """Hold the device's lock, which the system lets go of however the process ends.

    Raises
    ------
    GpuBusyError
        At once, if another process holds it.
    """
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / f"{gpu.slug}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise GpuBusyError(
            f"Another splashgen tune or verify runs on {gpu.slug}; two would spoil each other's times. "
            "Wait for it to end."
        ) from None
    try:
        yield
    finally:
        lock.release()

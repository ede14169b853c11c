"""The lock of a device: what times kernels on it has it alone."""

import contextlib
import os
import platform
from collections.abc import Iterator

import filelock

from splashgen.errors import SplashgenError
from splashgen.gpu import Gpu
from splashgen.tune.database.state import state_folder, writable

__all__ = ["GpuBusyError", "exclusive", "visible_gpus"]


class GpuBusyError(SplashgenError):
    """Another process times kernels on the device: two would time each other."""


@contextlib.contextmanager
def exclusive(gpu: Gpu) -> Iterator[str]:
    """Hold the device's lock, which the system lets go of however the process ends.

    The value names whoever holds it: no two alive have the same name, whatever machine they are on.

    Raises
    ------
    GpuBusyError
        At once, if another process holds it.
    StorageError
        If the folder of the locks cannot be made.
    """
    path = writable(state_folder()) / f"{_device_name(gpu)}.lock"
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise GpuBusyError(
            f"Another splashgen tune or verify runs on {gpu.slug}; two would spoil each other's times. "
            "Wait for it to end."
        ) from None
    try:
        yield f"{platform.node()}:{path}"
    finally:
        lock.release()


def visible_gpus(gpu: Gpu) -> list[str]:
    """The GPUs of the same kind that this process sees, each as CUDA_VISIBLE_DEVICES would name it.

    The first is the one that this process uses itself; none for a CPU.
    """
    import torch

    if gpu.backend == "cpu" or not torch.cuda.is_available():
        return []
    facts = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = chosen.split(",") if chosen else [str(index) for index in range(len(facts))]
    return [name.strip() for name, fact in zip(names, facts, strict=False) if fact.name == gpu.name]


def _device_name(gpu: Gpu) -> str:
    """`cpu`, or the chip and what tells it from others of its kind in this machine."""
    import torch

    if gpu.backend == "cpu" or not torch.cuda.is_available():
        return gpu.slug
    return f"{gpu.slug}-{torch.cuda.get_device_properties(0).uuid}"

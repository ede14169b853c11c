"""Where and with what something was measured."""

import datetime
import importlib.metadata
import platform
from typing import Any

import torch

from splashgen.gpu import detect
from splashgen.store.provenance import current
from splashgen.tune.measure.timing import Stopwatch

__all__ = ["MATRIX_SIZE", "session_facts"]

MATRIX_SIZE = 8192
_LAPS = 15


def session_facts(device: torch.device) -> dict[str, Any]:
    """Device, driver, versions and date of a session, and raw samples of the chip's matrix products."""
    gpu, made = detect(device), current()
    facts: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "gpu": gpu.slug,
        "device": gpu.name,
        "architecture": gpu.arch,
        "multiprocessors": gpu.multiprocessors,
        "memory": gpu.memory,
        "driver": made.driver,
        "cuda": torch.version.cuda or "",
        "python": platform.python_version(),
        "splashgen": made.splashgen,
        "templates": made.templates,
        "torch": torch.__version__,
        "triton": made.triton,
        "adasplash": _version("adasplash"),
        "entmax": _version("entmax"),
    }
    if device.type == "cuda":
        facts["cudnn"] = torch.backends.cudnn.version()
        facts["matrix_product_ms"] = _matrix_products(device)
    return facts


def _matrix_products(device: torch.device) -> list[float]:
    """Milliseconds of bfloat16 products of 8192×8192 matrices."""
    factors = torch.randn(2, MATRIX_SIZE, MATRIX_SIZE, device=device, dtype=torch.bfloat16)
    watch = Stopwatch(device)
    laps = [watch.lap(lambda: factors[0] @ factors[1])[0] for _ in range(_LAPS + 3)]
    return [round(lap, 5) for lap in laps[3:]]


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""

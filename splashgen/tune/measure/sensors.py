"""What a GPU's sensors say around a measurement, through NVML; nothing is ever set."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch

__all__ = ["Conditions", "observed"]

Conditions = dict[str, float | str]
"""`clock_mhz`, `memory_clock_mhz`, `temperature_c` and `power_w`, each with `_before` and `_after`, and in
`throttled` the reasons for lowered clocks, separated by blanks; empty where there are no sensors."""

_REASONS = {
    "power_cap": "nvmlClocksThrottleReasonSwPowerCap",
    "slowdown": "nvmlClocksThrottleReasonHwSlowdown",
    "thermal": "nvmlClocksThrottleReasonSwThermalSlowdown",
    "hardware_thermal": "nvmlClocksThrottleReasonHwThermalSlowdown",
    "power_brake": "nvmlClocksThrottleReasonHwPowerBrakeSlowdown",
}
"""Those that slow a busy GPU down, by NVML's names; idling and clocks that somebody has set are none."""


@contextlib.contextmanager
def observed(device: torch.device) -> Iterator[Conditions]:
    """What the sensors said before and after the block, once it is left.

    Nothing on a CPU, on an AMD GPU, without the package nvidia-ml-py, or where the driver does not tell.
    """
    conditions: Conditions = {}
    read = _sensors(torch.cuda.current_device()) if device.type == "cuda" else dict
    before = read()
    yield conditions
    after = read()
    if after:
        throttled = [*before.pop("throttled"), *after.pop("throttled")]
        conditions["throttled"] = " ".join(dict.fromkeys(throttled))
    conditions |= {f"{name}_before": value for name, value in before.items()}
    conditions |= {f"{name}_after": value for name, value in after.items()}


@functools.cache
def _sensors(index: int) -> Callable[[], dict[str, Any]]:
    """Reads the sensors of a GPU, by CUDA's number; reads nothing where there is no way to them."""
    try:
        import pynvml

        pynvml.nvmlInit()
        # NVML counts every GPU of the machine, CUDA those that it may see: the UUID is common to both.
        uuid = f"GPU-{torch.cuda.get_device_properties(index).uuid}"
        read = functools.partial(_read, pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid))
        read()
    except Exception:  # no package, no driver, no such sensor: a measurement goes without
        return dict
    return read


def _read(nvml: Any, handle: Any) -> dict[str, Any]:
    reasons = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return {
        "clock_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
        "memory_clock_mhz": nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM),
        "temperature_c": nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
        "power_w": nvml.nvmlDeviceGetPowerUsage(handle) / 1000.0,
        "throttled": [name for name, bit in _REASONS.items() if reasons & getattr(nvml, bit)],
    }

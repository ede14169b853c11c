"""`Gpu`: where it is computed. Limits of the chips that splashgen knows, and the device that is here."""

import os
import platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["CPU", "KNOWN_GPUS", "Gpu", "check_known", "detect", "named", "slug_of"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device and the limits that a kernel must respect on it."""

    slug: str
    """The name of its file of tuned configs, and of `--gpu`."""
    name: str
    """As the driver reports it."""
    backend: str
    """`cuda`, `hip` or `cpu`."""
    arch: str
    """`sm_90`, `gfx942`, or the machine type for a CPU."""
    multiprocessors: int
    shared_memory: int
    """Bytes that one block may use."""
    memory: int
    """Bytes of device memory."""
    warp_size: int = 32

    @property
    def compute_capability(self) -> str:
        """`9.0` for sm_90; the architecture's name where there is no such number."""
        digits = self.arch.removeprefix("sm_")
        return f"{digits[:-1]}.{digits[-1]}" if self.arch.startswith("sm_") else self.arch


_GB = 1024**3

KNOWN_GPUS: dict[str, Gpu] = {
    gpu.slug: gpu
    for gpu in (
        Gpu("a100", "NVIDIA A100-SXM4-80GB", "cuda", "sm_80", 108, 166_912, 80 * _GB),
        Gpu("a10g", "NVIDIA A10G", "cuda", "sm_86", 80, 101_376, 24 * _GB),
        Gpu("l40s", "NVIDIA L40S", "cuda", "sm_89", 142, 101_376, 48 * _GB),
        Gpu("rtx4090", "NVIDIA GeForce RTX 4090", "cuda", "sm_89", 128, 101_376, 24 * _GB),
        Gpu("h100", "NVIDIA H100 80GB HBM3", "cuda", "sm_90", 132, 232_448, 80 * _GB),
        Gpu("h200", "NVIDIA H200", "cuda", "sm_90", 132, 232_448, 141 * _GB),
        Gpu("b200", "NVIDIA B200", "cuda", "sm_100", 148, 232_448, 180 * _GB),
        Gpu("rtx5090", "NVIDIA GeForce RTX 5090", "cuda", "sm_120", 170, 101_376, 32 * _GB),
        Gpu("mi300x", "AMD Instinct MI300X", "hip", "gfx942", 304, 65_536, 192 * _GB, warp_size=64),
    )
}


def slug_of(name: str) -> str:
    """The slug for a device name that the driver reports, from the name's own words.

    >>> slug_of("NVIDIA H100 80GB HBM3"), slug_of("NVIDIA GeForce RTX 4090"), slug_of("NVIDIA RTX A6000")
    ('h100', 'rtx4090', 'rtxa6000')
    """
    words = name.replace("-", " ").replace("/", " ").lower().split()
    skipped = {"nvidia", "amd", "geforce", "instinct", "tesla", "graphics", "radeon"}
    words = [word for word in words if word not in skipped]
    kept = words[:2] if words and words[0] in ("rtx", "gtx", "pro") else words[:1]
    return "".join(char for char in "".join(kept) if char.isalnum()) or "unknown"


def _cpu() -> Gpu:
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = 0
    return Gpu("cpu", _cpu_name(), "cpu", platform.machine() or "unknown", os.cpu_count() or 1, 0, memory, 1)


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


CPU = _cpu()


def detect(device: "torch.device | str | None" = None) -> Gpu:
    """The device a tensor lives on, or the one that is here: the current GPU, else the CPU."""
    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(device)
    if device.type != "cuda":
        return CPU
    facts = torch.cuda.get_device_properties(device)
    hip = torch.version.hip is not None
    arch = facts.gcnArchName.split(":")[0] if hip else f"sm_{facts.major}{facts.minor}"
    slug = slug_of(facts.name)
    shared = getattr(facts, "shared_memory_per_block_optin", 0) or facts.shared_memory_per_block
    gpu = Gpu(
        slug,
        facts.name,
        "hip" if hip else "cuda",
        arch,
        facts.multi_processor_count,
        shared,
        facts.total_memory,
    )
    return replace(gpu, warp_size=getattr(facts, "warp_size", 32))


def named(name: str) -> Gpu:
    """The device of that slug, which need not be here; `auto` is the one that is.

    Raises
    ------
    ValueError
        If splashgen does not know it.
    """
    if name == "auto":
        return detect()
    check_known(name)
    return CPU if name == CPU.slug else KNOWN_GPUS[name]


def check_known(slug: str, argument: str = "gpu") -> None:
    """Raise `ValueError` with the slugs that there are, unless this is one of them."""
    if slug != CPU.slug and slug not in KNOWN_GPUS:
        slugs = ", ".join((*KNOWN_GPUS, CPU.slug))
        raise ValueError(f"{argument} is {slug!r}, but must be auto or one of {slugs}.")

"""Which device is tuned: the one that is here, and no other."""

from splashgen.errors import SplashgenError
from splashgen.gpu import KNOWN_GPUS, Gpu, detect

__all__ = ["GpuNotHereError", "choose_gpu"]


class GpuNotHereError(SplashgenError):
    """The GPU asked for is not the one of this machine."""


def choose_gpu(name: str = "auto") -> Gpu:
    """The device of this machine, provided that it is the one asked for.

    Parameters
    ----------
    name : str
        `auto` for whatever is here, else the slug that it must have: `h100`, `cpu`, …

    Raises
    ------
    GpuNotHereError
        If it is another one.
    """
    here = detect()
    wanted = name.strip().lower()
    # Every machine has a CPU, and may tune it beside its GPU.
    if wanted == "cpu":
        return detect("cpu")
    if wanted in ("auto", here.slug):
        return here
    found = "no GPU" if here.slug == "cpu" else f"{here.name} ({here.slug})"
    if wanted not in KNOWN_GPUS:
        raise GpuNotHereError(
            f"--gpu {wanted} is no name that splashgen knows, and this machine has {found}; leave --gpu out "
            f"for what is here. It knows {', '.join(KNOWN_GPUS)} and cpu, and any other GPU where it is."
        )
    raise GpuNotHereError(
        f"--gpu {wanted} means {KNOWN_GPUS[wanted].name}, but this machine has {found}; kernels are run and "
        f"timed on the chip itself, so do this there, or pass --gpu {here.slug} for what is here."
    )

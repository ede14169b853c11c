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
    known = KNOWN_GPUS.get(wanted)
    asked = (
        f"--gpu {wanted} means {known.name}"
        if known
        else f"--gpu {wanted} is not a device known to splashgen"
    )
    raise GpuNotHereError(
        f"{asked}, but this machine has {found}; tuning times kernels on the chip itself, so run it there, "
        f"or pass --gpu {here.slug} to tune what is here."
    )

"""Kernel families: each module here declares one `FAMILY`, a template with its search space.

A new kernel is a template in `templates/`, a module here, and, for a new operation, its reference case in
`splashgen.cases`. Nothing else names a family.
"""

import functools
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import DType, Operation, Problem
from splashgen.space import Space

__all__ = ["Family", "families", "family_for", "family_named"]


@dataclass(frozen=True)
class Family:
    """A template, the space of its configs, and what it can compute."""

    name: str
    operation: Operation
    backends: tuple[str, ...]
    """Backends of `Gpu` that it runs on: `cuda`, `hip`, `cpu`."""
    template: str
    """File name in `templates/`."""
    space: Space
    default: Callable[[Problem, Gpu], Config]
    """The best single config known for an architecture; it must run everywhere."""
    supports: Callable[[Problem], bool] = field(default=lambda problem: True)
    """Whether the template can render this problem at all."""
    for_loaders: Callable[[Config], Config] = field(default=lambda config: config)
    """The nearest config whose kernels take pointers and numbers alone, all that a plain loader can pass."""
    keeps_tau_alone: bool = False
    """Of attention: `forward` keeps τ and nothing else. Where it keeps more, it does no more than allocate
    and launch: what it keeps can then be known without a launch."""


@functools.cache
def families() -> tuple[Family, ...]:
    """Every family, in the order of their module names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}").FAMILY for name in names)


def family_named(name: str) -> Family:
    """The family of that name.

    Raises
    ------
    ValueError
        If there is none.
    """
    for family in families():
        if family.name == name:
            return family
    raise ValueError(
        f"There is no kernel family {name!r}; there are {', '.join(f.name for f in families())}."
    )


def family_for(problem: Problem, gpu: Gpu) -> Family:
    """The family that computes this problem on this device.

    Raises
    ------
    NotImplementedError
        If no template covers it.
    """
    family = _covering(problem, gpu)
    if family is not None:
        return family
    others = [kind.value for kind in DType if _covering(replace(problem, dtype=kind), gpu)]
    way_out = ""
    if others:
        way_out = f": dtype is {problem.dtype.value}, but must be {' or '.join(others)} there"
        if gpu.backend == "cpu":
            way_out += ", and calls with float16 or bfloat16 tensors on a CPU are computed as float32"
    raise NotImplementedError(f"No kernel family computes «{problem}» on the {gpu.backend} backend{way_out}.")


def _covering(problem: Problem, gpu: Gpu) -> Family | None:
    for family in families():
        if (
            family.operation is problem.operation
            and gpu.backend in family.backends
            and family.supports(problem)
        ):
            return family
    return None

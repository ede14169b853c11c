"""`Terrain`: what a search moves on. Real kernels have one, and so has a recording of them."""

from collections.abc import Callable
from dataclasses import dataclass

from splashgen.config import Config
from splashgen.families import family_for
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.render import render
from splashgen.space import Space

__all__ = ["Terrain", "terrain_of"]


@dataclass(frozen=True)
class Terrain:
    """The points, the one to beat, and what tells two of them apart."""

    space: Space
    default: Config
    code_hash: Callable[[Config], str]
    """Configs of the same hash are the same code, of which one is evaluated."""


def terrain_of(problem: Problem, gpu: Gpu) -> Terrain:
    """The terrain of the problem's family, narrowed to what is worth a search on this GPU."""
    family = family_for(problem, gpu)
    return Terrain(
        family.space.narrowed(problem, gpu),
        family.default(problem, gpu),
        lambda config: render(problem, config).hash,
    )

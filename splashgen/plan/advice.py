"""What the cost model would take, as advice to a tuner: the search measures whether it is right."""

import contextlib
import os
from collections.abc import Iterator, Sequence

from splashgen.compile import CompilePool
from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.plan.chips import chip_of
from splashgen.plan.compiled import Compiled
from splashgen.plan.planner import Plan, plan_problem
from splashgen.problem import Problem
from splashgen.store.entry import Regime
from splashgen.tune.search.warm import Advice

__all__ = ["advising", "first_choices"]


@contextlib.contextmanager
def advising(gpu: Gpu, most: int, candidates: int = 24, processes: int | None = None) -> Iterator[Advice]:
    """(problem, regime) → the `most` first choices of a plan, or none where the kernels cannot be planned.

    Each question compiles up to `candidates` configs, those of earlier ones aside: attention's kernels are
    the same at every length.

    Parameters
    ----------
    processes : int, optional
        That compile at a time; the cores if left out.

    Raises
    ------
    ValueError
        If the chip's rates are not known.
    """
    chip_of(gpu)
    with CompilePool(processes or os.cpu_count() or 1) as pool:
        compiled = Compiled(pool)

        def advice(problem: Problem, regime: Regime) -> Sequence[Config]:
            try:
                plan = plan_problem(problem, gpu, compiled, candidates, regime=regime)
            except NotImplementedError:
                return ()
            return first_choices(plan, most)

        yield advice


def first_choices(plan: Plan, most: int) -> list[Config]:
    """The config that the plan would store, then the fastest others by its prediction."""
    if not plan.ranked:
        return []
    return list(dict.fromkeys([plan.choice.config, *(one.config for one in plan.ranked)]))[:most]

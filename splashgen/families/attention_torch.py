"""Attention on the CPU: plain torch over blocks of queries, with memory linear in the number of keys."""

from splashgen.config import Config
from splashgen.families import Family
from splashgen.gpu import Gpu
from splashgen.problem import DType, Operation, Problem
from splashgen.space import Space

__all__ = ["FAMILY"]

_SPACE = Space(
    "attention_torch",
    {
        "block_m": (16, 32, 64, 128, 256),
        "heads": (1, 2, 4, 8),
        "gather": (False, True),
        "solver": ("norm", "bisection"),
        "max_iterations": (32, 64),
    },
)


def _default(problem: Problem, gpu: Gpu) -> Config:
    # The fastest single config on two cores, dense and clustered inputs, n = 256 and 2048.
    return _SPACE.member(
        {"block_m": 128, "heads": 4, "gather": False, "solver": "norm", "max_iterations": 64}
    )


FAMILY = Family(
    name="attention_torch",
    operation=Operation.ATTENTION,
    backends=("cpu",),
    template="attention_torch.py.j2",
    space=_SPACE,
    default=_default,
    supports=lambda problem: problem.dtype in (DType.FLOAT32, DType.FLOAT64),
    keeps_tau_alone=True,
)

"""Row-wise entmax on the CPU: plain torch over chunks of rows that stay in the cache."""

from splashgen.config import Config
from splashgen.families import Family
from splashgen.gpu import Gpu
from splashgen.problem import DType, Operation, Problem
from splashgen.space import Constraint, Space

__all__ = ["FAMILY"]


def _sortable(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return config["solver"] != "sort" or problem.alpha.power in (1, 2)


_SPACE = Space(
    "entmax_torch",
    {
        "chunk": (16384, 65536, 262144, 1048576),
        "solver": ("norm", "bisection", "sort"),
        "max_iterations": (32, 64),
    },
    (Constraint("Only alpha 1.5 and 2 can be solved by sorting.", _sortable),),
)


def _default(problem: Problem, gpu: Gpu) -> Config:
    return _SPACE.member({"chunk": 262144, "solver": "norm", "max_iterations": 64})


FAMILY = Family(
    name="entmax_torch",
    operation=Operation.ENTMAX,
    backends=("cpu",),
    template="entmax_torch.py.j2",
    space=_SPACE,
    default=_default,
    supports=lambda problem: problem.dtype in (DType.FLOAT32, DType.FLOAT64),
)

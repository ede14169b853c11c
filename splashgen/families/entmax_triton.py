"""Row-wise entmax on a GPU: rows that fit are held in registers, longer ones are read once a step."""

from splashgen.config import Config
from splashgen.families import Family
from splashgen.gpu import Gpu
from splashgen.problem import DType, Operation, Problem
from splashgen.space import Constraint, Space

__all__ = ["FAMILY"]

_THREADS = 1024
_REGISTERS = 128
"""float32 elements that a thread may hold before it is certain to spill."""


def _fits_block(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return int(config["num_warps"]) * gpu.warp_size <= _THREADS


def _fits_registers(problem: Problem, gpu: Gpu, config: Config) -> bool:
    longest = int(config["longest_held"])
    rows = min(int(config["block_rows"]), max(1, longest // max(problem.seq_len, 1)))
    held = min(problem.seq_len, longest) * rows
    return held <= _REGISTERS * int(config["num_warps"]) * gpu.warp_size


_SPACE = Space(
    "entmax_triton",
    {
        "block_rows": (1, 2, 4, 8, 16),
        "longest_held": (8192, 16384, 32768),
        "tile": (1024, 2048, 4096),
        "solver": ("norm", "bisection"),
        "max_iterations": (16, 32, 64),
        "num_warps": (1, 2, 4, 8, 16, 32),
    },
    (
        Constraint("A block has at most 1024 threads.", _fits_block),
        Constraint("A program's rows do not fit its registers.", _fits_registers),
    ),
)


def _default(problem: Problem, gpu: Gpu) -> Config:
    """Four to eight elements a thread for the usual lengths: safe on every chip."""
    return _SPACE.member(
        {
            "block_rows": 1,
            "longest_held": 32768,
            "tile": 4096,
            "solver": "norm",
            "max_iterations": 32,
            "num_warps": 8,
        }
    )


FAMILY = Family(
    name="entmax_triton",
    operation=Operation.ENTMAX,
    backends=("cuda", "hip"),
    template="entmax_triton.py.j2",
    space=_SPACE,
    default=_default,
    supports=lambda problem: problem.dtype is not DType.FLOAT64,
)

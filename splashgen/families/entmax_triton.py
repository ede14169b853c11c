"""Row-wise entmax on a GPU: rows that fit are held in registers; others are read once, then in parts."""

from splashgen.config import Config
from splashgen.families import Family
from splashgen.gpu import Gpu
from splashgen.problem import DType, Operation, Problem
from splashgen.space import Constraint, Space

__all__ = ["FAMILY"]

_THREADS = 1024
_REGISTERS = 128
"""float32 elements that a thread may hold before it is certain to spill."""
_SUMS = 4
"""Of a tile of a long row: the tile itself and three sums of powers."""


def _fits_block(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return int(config["num_warps"]) * gpu.warp_size <= _THREADS


def _fits_registers(problem: Problem, gpu: Gpu, config: Config) -> bool:
    longest = int(config["longest_held"])
    if problem.seq_len > longest:
        held = _SUMS * int(config["tile"])
    else:
        held = problem.seq_len * min(int(config["block_rows"]), longest // max(problem.seq_len, 1))
    return held <= _REGISTERS * int(config["num_warps"]) * gpu.warp_size


_SPACE = Space(
    "entmax_triton",
    {
        "block_rows": (1, 2, 4, 8, 16),
        "longest_held": (4096, 8192, 16384, 32768),
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
    """Sixteen elements of a held row a thread; eight warps stream a longer one."""
    longest = 8192
    held = problem.seq_len <= longest
    return _SPACE.member(
        {
            "block_rows": 1,
            "longest_held": longest,
            "tile": 2048,
            "solver": "norm",
            "max_iterations": 32,
            "num_warps": max(1, _power_of_two(problem.seq_len) // 512) if held else 8,
        }
    )


def _power_of_two(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


FAMILY = Family(
    name="entmax_triton",
    operation=Operation.ENTMAX,
    backends=("cuda", "hip"),
    template="entmax_triton.py.j2",
    space=_SPACE,
    default=_default,
    supports=lambda problem: problem.dtype is not DType.FLOAT64,
)

"""α-entmax attention in Triton: one dense pass, solve and output over the support tiles, backward over their lists."""

from splashgen.config import Config, Value
from splashgen.families import Family
from splashgen.gpu import Gpu
from splashgen.problem import DType, Operation, Problem
from splashgen.space import Constraint, Space

__all__ = ["FAMILY"]

_NAME = "attention_triton"

SPACE = Space(
    _NAME,
    {
        "block_m": (32, 64, 128),
        "block_n": (32, 64, 128),
        "bound_m": (32, 64, 128),
        "bound_n": (32, 64, 128, 256),
        "bound_steps": (0, 2, 3, 4),
        "bound_groups": (64, 128, 256),
        "bound_chunk": (32, 64, 128),
        "bound_programs": (1, 2, 3),
        "bound_warps": (4, 8),
        "bound_stages": (1, 2, 3, 4),
        "solver": ("halley", "newton", "bisection"),
        "precision": ("ieee", "tf32x3"),
        "tolerance": (0.15, 0.05, 0.01, 1e-3, 1e-5),
        "max_passes": (4, 12, 40),
        "output_warps": (4, 8),
        "output_stages": (1, 2, 3, 4),
        "dq_warps": (4, 8),
        "dq_stages": (1, 2, 3, 4),
        "dkdv_warps": (4, 8),
        "dkdv_stages": (1, 2, 3, 4),
    },
    (
        Constraint(
            "The blocks of the dense pass must hold whole list tiles: bound_m ≥ block_m and bound_n ≥ block_n.",
            lambda problem, gpu, config: config["bound_m"] >= config["block_m"]  # type: ignore[operator]
            and config["bound_n"] >= config["block_n"],  # type: ignore[operator]
        ),
    ),
)


def _default(problem: Problem, gpu: Gpu) -> Config:
    wide = max(problem.head_dim, problem.value_dim) * (2 if problem.dtype is DType.FLOAT32 else 1)
    small = wide > 128 or gpu.shared_memory < 100_000
    values: dict[str, Value] = {
        "block_m": 64,
        "block_n": 32 if small else 64,
        "bound_m": 64 if small else 128,
        "bound_n": 32 if small else 128,
        "bound_steps": 3,
        "bound_groups": 256,
        "bound_chunk": 64,
        "bound_programs": 2,
        "bound_warps": 4 if small else 8,
        "bound_stages": 2 if small else 3,
        "solver": "halley",
        "precision": "tf32x3" if gpu.backend == "cuda" else "ieee",
        "tolerance": 1e-3 if problem.dtype is DType.FLOAT32 or not problem.training else 0.15,
        "max_passes": 40,
        "output_warps": 4,
        "output_stages": 1 if wide > 256 else 2,
        "dq_warps": 4,
        "dq_stages": 1 if wide > 256 else 2,
        "dkdv_warps": 4,
        "dkdv_stages": 1 if wide > 256 else 2,
    }
    return SPACE.member(values)


FAMILY = Family(
    name=_NAME,
    operation=Operation.ATTENTION,
    backends=("cuda", "hip"),
    template="attention_triton.py.j2",
    space=SPACE,
    default=_default,
    supports=lambda problem: problem.dtype is not DType.FLOAT64 and not (problem.varlen and problem.attn_mask),
)

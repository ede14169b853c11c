"""α-entmax attention in Triton: one dense pass, then all else over lists of support tiles."""

from splashgen.config import Config, Value
from splashgen.families import Family
from splashgen.gpu import Gpu
from splashgen.problem import DType, Operation, Problem
from splashgen.space import Constraint, Space

__all__ = ["FAMILY"]

_NAME = "attention_triton"


def _whole_tiles(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return config.number("bound_m") >= config.number("block_m") and config.number("bound_n") >= config.number(
        "block_n"
    )


def _warps_have_work(problem: Problem, gpu: Gpu, config: Config) -> bool:
    # Measured on an H100: eight warps on a 64 by 64 tile take twice the time of four.
    tile = config.number("block_m") * config.number("block_n")
    bound = config.number("bound_m") * config.number("bound_n")
    over_lists = max(config.number(f"{kernel}_warps") for kernel in ("output", "dq", "dkdv"))
    return (over_lists == 4 or tile >= 8192) and (config.number("bound_warps") == 4 or bound >= 8192)


def _precision_matters(problem: Problem, gpu: Gpu, config: Config) -> bool:
    if problem.dtype is not DType.FLOAT32:
        return config["precision"] == "ieee"
    return gpu.backend == "cuda" or config["precision"] == "ieee"


def _registers_can_be_capped(problem: Problem, gpu: Gpu, config: Config) -> bool:
    kernels = ("bound", "output", "dq", "dkdv")
    caps = [(config.number(f"{kernel}_registers"), config.number(f"{kernel}_warps")) for kernel in kernels]
    return all(cap == 0 or (gpu.backend == "cuda" and warps == 4) for cap, warps in caps)


def _only_what_runs(problem: Problem, gpu: Gpu, config: Config) -> bool:
    # An inference problem has no backward kernels: one value stands for all of theirs.
    fixed = {"warps": 4, "stages": 1, "registers": 0}
    backward = (
        config[f"{kernel}_{name}"] == value for kernel in ("dq", "dkdv") for name, value in fixed.items()
    )
    return problem.training or all(backward)


SPACE = Space(
    _NAME,
    {
        # A list tile, queries by keys: the grain of the support, and the tile of all but the dense pass.
        "block_m": (32, 64, 128),
        "block_n": (32, 64, 128),
        # The dense pass.
        "bound_m": (32, 64, 128),
        "bound_n": (32, 64, 128, 256),
        "bound_steps": (0, 2, 3),
        "bound_groups": (128, 256),
        "bound_chunk": (64, 128),
        "bound_programs": (1, 2, 3),
        "bound_warps": (4, 8),
        "bound_stages": (1, 2, 3, 4),
        "bound_registers": (0, 128, 168),
        # The solution of τ: accuracy parameters, which the gate watches.
        "solver": ("newton", "halley", "bisection"),
        "tolerance": (0.15, 0.05, 0.01, 1e-3, 1e-5),
        "max_passes": (12, 40),
        "precision": ("ieee", "tf32x3"),
        "output_warps": (4, 8),
        "output_stages": (1, 2, 3),
        "output_registers": (0, 128, 168),
        "dq_warps": (4, 8),
        "dq_stages": (1, 2, 3),
        "dq_registers": (0, 128, 168),
        "dkdv_warps": (4, 8),
        "dkdv_stages": (1, 2, 3),
        "dkdv_registers": (0, 128, 168),
    },
    (
        Constraint(
            "The dense pass takes whole list tiles: bound_m ≥ block_m and bound_n ≥ block_n.", _whole_tiles
        ),
        Constraint("Eight warps need a tile of at least 8192 scores.", _warps_have_work),
        Constraint(
            "precision is a choice in float32 on CUDA alone; elsewhere it is ieee.", _precision_matters
        ),
    ),
)


def _default(problem: Problem, gpu: Gpu) -> Config:
    width = max(problem.head_dim, problem.value_dim) * (2 if problem.dtype is DType.FLOAT32 else 1)
    single = problem.dtype is DType.FLOAT32
    exact = single or not problem.training
    tight = width > 128 or gpu.shared_memory < 100_000
    stages = 1 if width > 256 or (tight and width > 64) else 2
    backward_stages = stages if problem.training else 1
    values: dict[str, Value] = {
        "block_m": 32 if single else 64,
        "block_n": 32 if single else 64,
        "bound_m": 64 if tight else 128,
        "bound_n": 32 if single else 64,
        "bound_steps": 2,
        "bound_groups": 128,
        "bound_chunk": 128,
        "bound_programs": 2,
        "bound_warps": 4,
        "bound_stages": 2 if tight else 3,
        "bound_registers": 0,
        "solver": "newton",
        "tolerance": 1e-3 if exact else 0.05,
        "max_passes": 40,
        "precision": "tf32x3" if single and gpu.backend == "cuda" else "ieee",
        "output_warps": 4,
        "output_stages": stages,
        "output_registers": 0,
        "dq_warps": 4,
        "dq_stages": backward_stages,
        "dq_registers": 0,
        "dkdv_warps": 4,
        "dkdv_stages": backward_stages if width <= 64 else 1,
        "dkdv_registers": 0,
    }
    return SPACE.member(values)


FAMILY = Family(
    name=_NAME,
    operation=Operation.ATTENTION,
    backends=("cuda", "hip"),
    template="attention_triton.py.j2",
    space=SPACE,
    default=_default,
    supports=lambda problem: (
        problem.dtype is not DType.FLOAT64 and not (problem.varlen and problem.attn_mask)
    ),
)

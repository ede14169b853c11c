"""Whether the attention kernels' tiles fit a chip's shared memory, as far as is known without a compiler.

The rules were found by compiling with triton 3.6 for every known chip; the sweep (tests/sweep) watches them.
"""

from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.problem import DType, Problem

__all__ = ["fits_rows", "fits_shared_memory", "is_wide", "needs_small_tiles"]


def is_wide(problem: Problem) -> bool:
    """Whether a padded row takes 1 KB: tiles of 16 rows then spill far fewer registers."""
    return problem.dtype is DType.FLOAT32 and max(problem.head_dim, problem.value_dim) > 128


def needs_small_tiles(problem: Problem, gpu: Gpu) -> bool:
    """Whether list tiles of 32 by 32 with a dense pass of 64 by 32 in two stages do not fit.

    At head dim 256 they take 160 KB in the dense pass, 168 with a dense mask, and 192 in the backward pass;
    at 128 up to 96 and, with a dense mask, 104. With 16 rows it is 98 KB at most.
    """
    if problem.dtype is not DType.FLOAT32 or gpu.backend != "cuda":
        return False
    queries, values = problem.head_dim > 128, problem.value_dim > 128
    if gpu.shared_memory < 115_000:
        masked = problem.attn_mask and min(problem.head_dim, problem.value_dim) > 64
        return queries or (problem.training and (values or masked))
    return queries and gpu.shared_memory < 200_000 and (problem.attn_mask or (problem.training and values))


def fits_rows(problem: Problem, gpu: Gpu, block: int) -> bool:
    """Whether kernels that go over lists of rows or of tiles, of `block` either way, are known to fit.

    Before Hopper a backward pass holds operands of either loop beside the other's: 1.75 times those of one.
    """
    if gpu.backend != "cuda" or gpu.arch == "sm_90" or problem.dtype is DType.FLOAT32:
        return True
    tile = (_row_bytes(problem.head_dim, 2) + _row_bytes(problem.value_dim, 2)) * block
    return not problem.training or 1.75 * 2 * tile <= gpu.shared_memory


def fits_shared_memory(problem: Problem, gpu: Gpu, config: Config) -> bool:
    """False where tiles are known not to fit, such as some tuned for narrower heads."""
    if gpu.backend != "cuda":
        return True
    large = min(config.number("block_m"), config.number("block_n")) >= 32
    if large and needs_small_tiles(problem, gpu):
        return False
    return _least(problem, gpu, config) <= gpu.shared_memory


def _least(problem: Problem, gpu: Gpu, config: Config) -> float:
    """Bytes that a block of the dense pass or of the backward pass takes at least: its operands."""
    single = problem.dtype is DType.FLOAT32
    queries, values = (_row_bytes(dim, 4 if single else 2) for dim in (problem.head_dim, problem.value_dim))
    in_flight = max(config.number("bound_stages") - 1, 1)
    held = config.number("bound_m") if config["bound_operand"] == "shared" else 0
    dense = queries * (held + config.number("bound_n") * in_flight)
    if not problem.training:
        return dense
    rows, cols = config.number("block_m"), config.number("block_n")
    if not single:
        # Hopper's matrix units read one tile while the next ones are on their way.
        in_flight = max(config.number("dkdv_stages") - (gpu.arch != "sm_90"), 1)
        # `fits_rows` says why; with a second stage it was 1.5 at the least.
        either = 1.5 if config["grain"] == "rows" and gpu.arch != "sm_90" else 1.0
        return max(dense, either * (queries + values) * (cols + rows * in_flight))
    # Products of three TF32 read keys and values in a second layout.
    seen = max(queries, min(2 * values, queries + values))
    return max(dense, 2 * (queries + values) * cols + seen * rows)


def _row_bytes(dim: int, size: int) -> int:
    """Of a row that is padded to the power of two that a matrix product takes."""
    return size * max(16, 1 << (dim - 1).bit_length())

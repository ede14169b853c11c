"""The best single config known for each problem and architecture, where nothing is tuned."""

from splashgen.alpha import AlphaClass
from splashgen.config import Config, Value
from splashgen.families.attention_triton.space import LONG, MOST_ROWS, SPACE, room
from splashgen.gpu import Gpu
from splashgen.problem import DType, Problem
from splashgen.tiles import fits_rows, needs_small_tiles

__all__ = ["default"]


def _tolerance(problem: Problem) -> float:
    """Of the default: a step leaves a tenth of the residual or less, and one more comes for free in training.

    Not where p = 1/(α-1) may be below 2: there the sums are not smooth, and a step leaves more. With α = 2
    the gradient's weights are those of the support, so that a key on its wrong side counts in full.
    """
    smooth = problem.alpha not in (AlphaClass.GENERIC, AlphaClass.TWO)
    if problem.dtype is DType.FLOAT32 or not problem.training or not smooth:
        return 1e-3
    return 0.15 if problem.dtype is DType.BFLOAT16 else 0.02


def _grain(problem: Problem) -> str:
    """Of the default: marking takes a pass over the listed tiles, unless a head has few of them.

    The larger α, the fewer of a tile's rows are needed; with α = 2 τ takes more passes, and each pass takes
    long where α is read at run time. Tiles of a dense mask are read in order.
    """
    few = problem.alpha in (AlphaClass.TWO, AlphaClass.GENERIC)
    least = 1024 if few else 2048 if problem.alpha is AlphaClass.THREE_HALVES else 4096
    long = least < problem.seq_len <= MOST_ROWS
    return "rows" if long and not problem.attn_mask else "tiles"


def _dkdv_stages(width: int, copied: bool, hopper: bool, others: int) -> int:
    """Of the default: loads by pointer spill more registers where they begin earlier."""
    if copied:
        return 2 if width <= 128 else 1
    return 1 if width > 64 else 3 if hopper else others


def default(problem: Problem, gpu: Gpu) -> Config:
    width = max(problem.head_dim, problem.value_dim) * (2 if problem.dtype is DType.FLOAT32 else 1)
    single = problem.dtype is DType.FLOAT32
    tight = width > 128 or gpu.shared_memory < 100_000
    # The backward holds two key tiles and two query tiles of the padded width: too much for chips with 99 KB.
    narrow = single or (width > 128 and gpu.shared_memory < 115_000)
    stages = 1 if width > 256 or (tight and width > 64) else 2
    backward_stages = stages if problem.training else 1
    # Hopper's matrix units read queries from registers; capped at 160, three programs share a multiprocessor.
    hopper = gpu.arch == "sm_90" and not single
    # Masks and α's own gradient need more.
    masked = problem.window or problem.alibi or problem.key_padding or problem.attn_mask or problem.varlen
    thrifty = hopper and width <= 64 and not masked and not problem.learned_alpha
    small = needs_small_tiles(problem, gpu)
    short, few = problem.seq_len <= 8192, problem.seq_len <= LONG
    # A descriptor costs the host microseconds, which training steps hide behind the kernels.
    copied = hopper and problem.training and not (problem.key_padding or problem.attn_mask)
    block = 16 if small else 32 if narrow else 64
    grain = _grain(problem) if fits_rows(problem, gpu, block) else "tiles"
    # Three programs share a multiprocessor.
    cap = 168 if thrifty and problem.training and width == 64 else 0
    values: dict[str, Value] = {
        "block_m": block,
        "block_n": block,
        "bound_m": 32 if small else 64 if tight else 128,
        "bound_n": block,
        "bound_steps": 2,
        # Maxima of long rows would not stay in the second cache, and need not be as many.
        "bound_parts": 4 if few else 1,
        "bound_together": 2 if few else 4,
        "bound_programs": 3 if thrifty else 2,
        "bound_warps": 4,
        "bound_stages": 4 if thrifty else 2 if tight else 3,
        "bound_registers": 160 if thrifty else 0,
        "bound_operand": "registers" if hopper and width <= 64 else "shared",
        "bound_loads": "descriptors" if copied and width > 64 else "pointers",
        "loads": "descriptors" if copied else "pointers",
        "grain": grain,
        "list_room": room(problem),
        "mark_stages": 3 if thrifty else stages,
        # Long lists of rows are unmasked but for their end.
        "row_loops": 2 if width <= 64 and not short else 1,
        "solver": "halley",
        "tolerance": _tolerance(problem),
        "max_passes": 40,
        "precision": "tf32x3" if single and gpu.backend == "cuda" else "ieee",
        "output_stages": 3 if copied and width <= 128 and not masked else stages,
        "output_registers": cap,
        "dq_stages": 3 if copied and width <= 64 and grain == "rows" else backward_stages,
        "dq_registers": cap,
        "dkdv_stages": _dkdv_stages(width, copied, hopper and problem.training, backward_stages),
        "dkdv_registers": cap,
        # One needs fewer registers, two fewer instructions a tile.
        "dkdv_loops": 2 if thrifty and problem.training else 1,
    }
    return SPACE.member(values)

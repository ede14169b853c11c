"""α-entmax attention in Triton: one dense pass, then all else over lists of support tiles."""

from collections.abc import Mapping

from splashgen.alpha import AlphaClass
from splashgen.config import Config, Value
from splashgen.families import Family
from splashgen.gpu import Gpu
from splashgen.problem import DType, Operation, Problem
from splashgen.space import Constraint, Space
from splashgen.tiles import fits_shared_memory, is_wide, needs_small_tiles

__all__ = ["FAMILY"]

_NAME = "attention_triton"
_NUMBERS = 32768
"""How many tiles a signed integer of 16 bits tells apart."""
_ROWS = 65536
"""How many rows an unsigned integer of 16 bits tells apart."""
_LONG = 16384
"""Above it two maxima a tile take over 64 MB of scratch with two programs on each of 132 multiprocessors."""


def _whole_tiles(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return config.number("bound_m") >= config.number("block_m") and config.number("bound_n") >= config.number(
        "block_n"
    )


def _warps_have_work(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return config["bound_warps"] == 4 or config.number("bound_m") * config.number("bound_n") >= 8192


def _tiles_have_numbers(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return problem.seq_len <= _NUMBERS * min(config.number("block_m"), config.number("block_n"))


def _maxima_fit(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return config["bound_parts"] == 1 or problem.seq_len <= _LONG


def _rows_have_numbers(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return config["grain"] == "tiles" or problem.seq_len <= _ROWS


def _rows_have_room(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return config["grain"] == "tiles" or config.number("list_room") >= _room(problem)


def _room(problem: Problem) -> int:
    """Keys that 64 rows need on average, where each needs some thirty: Gaussian scores, α = 1.5."""
    return 2048 if problem.seq_len <= (32768 if problem.causal else 16384) else 4096


def _narrow(problem: Problem, gpu: Gpu) -> Mapping[str, tuple[Value, ...]]:
    """A parameter that cannot matter has one choice; so has one that no accurate config differs in."""
    cuda, single = gpu.backend == "cuda", problem.dtype is DType.FLOAT32
    exact = single or not problem.training
    narrowed: dict[str, tuple[Value, ...]] = {
        "precision": ("tf32x3", "ieee") if single and cuda else ("ieee",),
        "tolerance": (0.02, 1e-3, 1e-5) if exact else (0.3, 0.15, 0.05, 0.02, 1e-3),
        "list_room": (_room(problem),),
    }
    if problem.seq_len > _LONG:
        narrowed |= {"bound_parts": (1,)}
    if not cuda:
        narrowed |= {
            "output_registers": (0,),
            "dq_registers": (0,),
            "dkdv_registers": (0,),
            "bound_registers": (0,),
        }
    if single or gpu.arch != "sm_90":
        narrowed |= {"bound_operand": ("shared",)}
    # Every tile of these reads the mask, and descriptors load tiles without one.
    if gpu.arch != "sm_90" or problem.key_padding or problem.attn_mask:
        narrowed |= {"bound_loads": ("pointers",), "loads": ("pointers",)}
    if not problem.training:
        narrowed |= {"dq_stages": (1,), "dq_registers": (0,)}
        narrowed |= {"dkdv_stages": (1,), "dkdv_registers": (0,), "dkdv_loops": (1,)}
    elif problem.window or problem.key_padding or problem.attn_mask:
        narrowed |= {"dkdv_loops": (1,)}
    if is_wide(problem) or needs_small_tiles(problem, gpu):
        return narrowed | {
            "block_m": (16, 32),
            "block_n": (16, 32),
            "bound_m": (32, 64),
            "bound_n": (16, 32, 64),
        }
    return narrowed | {
        "block_m": (32, 64),
        "block_n": (32, 64),
        "bound_m": (64, 128),
        "bound_n": (32, 64, 128, 256),
    }


SPACE = Space(
    _NAME,
    {
        # A list tile, queries by keys: the grain of the support, and the tile of all but the dense pass.
        "block_m": (16, 32, 64),
        "block_n": (16, 32, 64),
        # The dense pass.
        "bound_m": (32, 64, 128),
        "bound_n": (16, 32, 64, 128, 256),
        "bound_steps": (0, 1, 2),
        "bound_parts": (1, 2, 4),
        "bound_together": (1, 2, 4, 8),
        "bound_programs": (1, 2, 3),
        "bound_warps": (4, 8),
        "bound_stages": (1, 2, 3, 4),
        "bound_registers": (0, 160),
        "bound_operand": ("shared", "registers"),
        "bound_loads": ("pointers", "descriptors"),
        # The solution of τ: accuracy parameters, which the gate watches.
        "solver": ("halley", "bisection"),
        "tolerance": (0.3, 0.15, 0.05, 0.02, 1e-3, 1e-5),
        "max_passes": (40,),
        "precision": ("ieee", "tf32x3"),
        # What the lists name: whole tiles, or the single keys and queries that are needed; a pass over the
        # tiles marks those.
        "grain": ("tiles", "rows"),
        "list_room": (2048, 4096),
        "mark_stages": (1, 2, 3, 4),
        # One loop over unmasked and masked blocks of keys, or one over each.
        "row_loops": (1, 2),
        # The kernels over the lists; 0 registers is no cap.
        "loads": ("pointers", "descriptors"),
        "output_stages": (1, 2, 3),
        "output_registers": (0, 168),
        "dq_stages": (1, 2, 3),
        "dq_registers": (0, 168),
        "dkdv_stages": (1, 2, 3),
        "dkdv_registers": (0, 168),
        # One loop over unmasked and masked tiles, or one over each.
        "dkdv_loops": (1, 2),
    },
    (
        Constraint(
            "The dense pass takes whole list tiles: bound_m ≥ block_m and bound_n ≥ block_n.", _whole_tiles
        ),
        Constraint("Eight warps need a block of at least 8192 scores.", _warps_have_work),
        Constraint(
            f"Lists hold a tile's number in 16 bits, so a sequence has at most {_NUMBERS} tiles.",
            _tiles_have_numbers,
        ),
        Constraint(f"Several maxima a tile take too much scratch above {_LONG} tokens.", _maxima_fit),
        Constraint(
            f"Lists hold a row's number in 16 bits: of a sequence above {_ROWS} they name tiles.",
            _rows_have_numbers,
        ),
        Constraint(
            "Lists of rows need a room of 4096 above 32768 tokens, or above 16384 without a causal mask.",
            _rows_have_room,
        ),
        Constraint("Tiles of such rows take more shared memory than the chip has.", fits_shared_memory),
    ),
    _narrow,
)


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
    """Of the default: marking takes a pass over the listed tiles, and a few rows as long as a few tiles.

    The larger α, the fewer of a tile's rows are needed, and with α = 2 τ takes more passes. With α = 4/3 on
    Gaussian scores it is three quarters of them at n = 8192, and tiles are faster; an α that is read at run
    time may be as small. Tiles of a dense mask are read in order. A call for inference may have a single
    query, for which three launches more are most of the time.
    """
    least = {AlphaClass.TWO: 1024, AlphaClass.THREE_HALVES: 4096}.get(problem.alpha, _ROWS)
    long = least < problem.seq_len <= _ROWS
    return "rows" if long and problem.training and not problem.attn_mask else "tiles"


def _dkdv_stages(width: int, copied: bool, hopper: bool, others: int) -> int:
    """Of the default: loads by pointer spill more registers where they begin earlier."""
    if copied:
        return 2 if width <= 128 else 1
    return 1 if width > 64 else 3 if hopper else others


def _default(problem: Problem, gpu: Gpu) -> Config:
    width = max(problem.head_dim, problem.value_dim) * (2 if problem.dtype is DType.FLOAT32 else 1)
    single = problem.dtype is DType.FLOAT32
    tight = width > 128 or gpu.shared_memory < 100_000
    # The backward holds two key tiles and two query tiles of the padded width: too much for chips with 99 KB.
    narrow = single or (width > 128 and gpu.shared_memory < 115_000)
    stages = 1 if width > 256 or (tight and width > 64) else 2
    backward_stages = stages if problem.training else 1
    # Hopper's matrix units read queries from registers; capped at 160, three programs share a multiprocessor.
    hopper = gpu.arch == "sm_90" and not single
    # Masks and a generic α need more.
    masked = problem.window or problem.alibi or problem.key_padding or problem.attn_mask or problem.varlen
    thrifty = hopper and width <= 64 and not masked and problem.alpha is not AlphaClass.GENERIC
    small = needs_small_tiles(problem, gpu)
    short, few = problem.seq_len <= 8192, problem.seq_len <= _LONG
    # A descriptor costs the host microseconds, which training steps hide behind the kernels.
    copied = hopper and problem.training and not (problem.key_padding or problem.attn_mask)
    grain = _grain(problem)
    # Three programs share a multiprocessor.
    cap = 168 if thrifty and problem.training and width == 64 else 0
    block = 16 if small else 32 if narrow else 64
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
        "list_room": _room(problem),
        "mark_stages": 3 if thrifty else stages,
        # Long lists of rows are unmasked but for their end.
        "row_loops": 2 if width <= 64 and not short else 1,
        "solver": "halley",
        "tolerance": _tolerance(problem),
        "max_passes": 40,
        "precision": "tf32x3" if single and gpu.backend == "cuda" else "ieee",
        "output_stages": 3 if copied and width <= 128 and not masked else stages,
        "output_registers": cap,
        "dq_stages": 3 if copied and width <= 128 and grain == "rows" else backward_stages,
        "dq_registers": cap,
        "dkdv_stages": _dkdv_stages(width, copied, hopper and problem.training, backward_stages),
        "dkdv_registers": cap,
        # One needs fewer registers, two fewer instructions a tile.
        "dkdv_loops": 2 if thrifty and problem.training else 1,
    }
    return SPACE.member(values)


FAMILY = Family(
    name=_NAME,
    operation=Operation.ATTENTION,
    backends=("cuda", "hip"),
    template="attention_triton.py.j2",
    space=SPACE,
    default=_default,
    for_loaders=lambda config: config.replace(bound_loads="pointers", loads="pointers"),
    supports=lambda problem: (
        problem.dtype is not DType.FLOAT64 and not (problem.varlen and problem.attn_mask)
    ),
)

"""The choices of the attention kernels, and what rules them out."""

from collections.abc import Mapping

from splashgen.config import Config, Value
from splashgen.gpu import Gpu
from splashgen.problem import DType, Problem
from splashgen.space import Constraint, Space
from splashgen.tiles import fits_shared_memory, is_wide, needs_small_tiles

__all__ = ["LONG", "MOST_ROWS", "NAME", "SPACE", "room"]

NAME = "attention_triton"
_NUMBERS = 32768
"""How many tiles a signed integer of 16 bits tells apart."""
MOST_ROWS = 65536
"""How many rows an unsigned integer of 16 bits tells apart."""
LONG = 16384
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
    return config["bound_parts"] == 1 or problem.seq_len <= LONG


def _rows_have_numbers(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return config["grain"] == "tiles" or problem.seq_len <= MOST_ROWS


def _rows_have_room(problem: Problem, gpu: Gpu, config: Config) -> bool:
    return config["grain"] == "tiles" or config.number("list_room") >= room(problem)


def room(problem: Problem) -> int:
    """Keys that 64 rows need on average, where each needs some thirty: Gaussian scores, α = 1.5."""
    return 2048 if problem.seq_len <= (32768 if problem.causal else 16384) else 4096


def _narrow(problem: Problem, gpu: Gpu) -> Mapping[str, tuple[Value, ...]]:
    """A parameter that cannot matter has one choice; so has one that no accurate config differs in."""
    cuda, single = gpu.backend == "cuda", problem.dtype is DType.FLOAT32
    exact = single or not problem.training
    narrowed: dict[str, tuple[Value, ...]] = {
        "precision": ("tf32x3", "ieee") if single and cuda else ("ieee",),
        "tolerance": (0.02, 1e-3, 1e-5) if exact else (0.3, 0.15, 0.05, 0.02, 1e-3),
        "list_room": (room(problem),),
    }
    if problem.seq_len > LONG:
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
    NAME,
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
        Constraint(f"Several maxima a tile take too much scratch above {LONG} tokens.", _maxima_fit),
        Constraint(
            f"Lists hold a row's number in 16 bits: of a sequence above {MOST_ROWS} they name tiles.",
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

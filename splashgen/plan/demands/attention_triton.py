"""What the kernels of `attention_triton` do: how many tiles each visits, and what a visit costs."""

import math
from collections.abc import Mapping, Sequence
from typing import TypedDict

from splashgen.compile import CompiledKernel
from splashgen.compile.loops import Loop
from splashgen.config import Config
from splashgen.plan.demands import Demand
from splashgen.plan.loops import Array, heavy, light, of_grain, straight, tiles_cost
from splashgen.plan.loops import cost as turn_cost
from splashgen.plan.visits import Visits
from splashgen.problem import DType, Problem

__all__ = ["SCHEDULE", "demands"]

SCHEDULE = (
    "grain",
    "output_stages",
    "output_registers",
    "loads",
    "dkdv_stages",
    "dkdv_loops",
    "dq_stages",
    "dq_registers",
    "row_loops",
    "bound_n",
    "bound_m",
    "bound_programs",
    "bound_stages",
    "block_n",
    "bound_warps",
    "bound_registers",
    "dkdv_registers",
    "bound_operand",
    "bound_loads",
    "mark_stages",
    "block_m",
    "bound_parts",
    "bound_together",
)
"""What moves the time most comes first: a plan may have room for some only."""

_FLAGS = 32
"""Tiles whose flags the dense pass sets at a time."""
_LIST_CHUNK = 512
"""Flags that a program of `_list_tiles` reads at a time, or tiles whose marks one of `_count_rows` counts."""
_WORDS = 128
"""Words of marks of which a program of `_list_rows` makes numbers at a time."""
_LONG_LOOP = 32
"""Instructions of a loop that does something, rather than wait."""


def demands(
    problem: Problem, config: Config, kernels: Mapping[str, CompiledKernel], workload: str
) -> Sequence[Demand]:
    """The work of the dense pass, the output and, in training, the backward kernels."""
    return _Attention(problem, config, kernels, workload).all()


class _Attention:
    def __init__(
        self, problem: Problem, config: Config, kernels: Mapping[str, CompiledKernel], workload: str
    ) -> None:
        self.problem, self.config, self.kernels = problem, config, kernels
        self.visits = Visits(problem, config, workload)
        self.by_rows = config["grain"] == "rows"
        # The forward pass lists keys of query tiles, in training queries of key tiles too.
        self.sides = 2 if problem.training else 1
        # Of marks, that a tile has on each side.
        self.words = max(max(self.visits.block_m, self.visits.block_n) // 32, 1)
        self.width = 4 if problem.dtype is DType.FLOAT32 else 2

    def all(self) -> list[Demand]:
        v, d, dv = self.visits, self.problem.head_dim, self.problem.value_dim
        demands = [self._bound(), self._list_tiles()]
        if self.by_rows:
            demands += [self._mark(), *self._list_rows()]
        demands.append(self._output())
        if self.problem.training:
            demands.append(self._over_lists("_dq", v.q_tiles, v.keys, v.key_rows, 2 * d + dv))
            demands.append(self._over_lists("_dkdv", v.k_tiles, v.queries, v.query_rows, 2 * d + 2 * dv))
        return demands

    def _bound(self) -> Demand:
        """Every visible block of scores once, then for each strip of rows the bound and the flags."""
        v = self.visits
        config, kernel = self.config, self.kernels["_bound"]
        bound_m, bound_n = int(config.number("bound_m")), int(config.number("bound_n"))
        blocks = v.heads * v.visible(bound_m, bound_n)
        strips = v.heads * math.ceil(v.n / bound_m)
        chunks = strips * math.ceil(v.k_tiles / _FLAGS) * v.share
        cost = tiles_cost(kernel, light, blocks, v.masked(bound_m, bound_n))
        cost += strips * straight(kernel)
        listing = [loop for loop in kernel.loops if not loop.products and loop.instructions >= _LONG_LOOP]
        if listing:  # the last one in the code sets the flags
            *sums, flags = listing
            cost += chunks * turn_cost(flags)
            if sums:  # those before sum maxima in each step, a load a tile
                tiles = strips * v.k_tiles * v.share * config.number("bound_steps")
                cost += tiles / max(sums[-1].transfers, 1.0) * turn_cost(sums[-1])
        return Demand(
            kernel,
            blocks=strips,
            flops=blocks * bound_m * bound_n * 2.0 * self.problem.head_dim,
            **_issued(kernel, cost),
            turns=blocks + chunks + strips * (2.0 + config.number("bound_steps")),
            stages=int(config.number("bound_stages")),
            bytes=self._inputs(self.problem.head_dim, 2) + v.listed,
            persistent=int(config.number("bound_programs")),
        )

    def _mark(self) -> Demand:
        """Every listed tile of scores once more, unless a head has few of them."""
        v = self.visits
        kernel, blocks = self.kernels["_mark"], v.heads * v.q_tiles
        cost = tiles_cost(kernel, light, v.marked, v.masked(v.block_m, v.block_n))
        return Demand(
            kernel,
            blocks=blocks,
            flops=v.marked * v.block_m * v.block_n * 2.0 * self.problem.head_dim,
            **_issued(kernel, cost + blocks * straight(kernel)),
            turns=v.marked + blocks,
            stages=int(self.config.number("mark_stages")),
            bytes=self._inputs(self.problem.head_dim, 2) + 4.0 * self.words * self.sides * v.marked,
        )

    def _list_rows(self) -> list[Demand]:
        """Counts the marks of listed tiles and makes them numbers: of keys, in training of queries too."""
        v = self.visits
        named = v.keys if v.key_rows else 0.0, v.queries if v.query_rows else 0.0
        sides = [(v.q_tiles, v.block_n, named[0]), (v.k_tiles, v.block_m, named[1])]
        found = []
        passes = ("_count_rows", 1 / _LIST_CHUNK, 0.0), ("_list_rows", self.words / _WORDS, 2.0)
        for name, share, number in passes:
            kernel = self.kernels[name]
            # The last loop in the code is the one that reads marks.
            body = kernel.loops[-1] if kernel.loops else Loop(kernel.instructions, 0)
            entries, turns, written = 0, 0, 0.0
            for tiles, block, blocks in sides[: self.sides]:
                lists = v.heads * tiles
                marked = v.marked / lists
                entries += lists
                turns += lists * math.ceil(marked * share)
                written += (2.0 + 4.0 * self.words) * v.marked + number * blocks * block
            found.append(
                Demand(
                    kernel,
                    blocks=entries,
                    **_issued(kernel, turns * turn_cost(body) + entries * straight(kernel)),
                    turns=turns + entries,
                    bytes=written,
                )
            )
        return found

    def _output(self) -> Demand:
        """Passes over the lists for τ, then one that sums the output."""
        v = self.visits
        kernel, problem = self.kernels["_output"], self.problem
        passes, outputs = v.support.passes, 2 if problem.training else 1
        blocks, masked = v.heads * v.q_tiles, v.masked_blocks(v.q_tiles, v.key_rows)
        walked = self._walked(kernel, v.key_rows)
        cost = passes * tiles_cost(walked, light, v.keys, masked)
        cost += tiles_cost(walked, heavy, v.keys, masked) + blocks * straight(kernel)
        dims = (passes + 1.0) * problem.head_dim + outputs * problem.value_dim
        return Demand(
            kernel,
            blocks=blocks,
            flops=v.keys * v.block_m * v.block_n * 2.0 * dims,
            **_issued(kernel, cost),
            turns=(v.keys + blocks) * (passes + 1.0),
            stages=int(self.config.number("output_stages")),
            bytes=self._inputs(problem.head_dim, 2) + self._inputs(problem.value_dim, 1 + outputs),
        )

    def _over_lists(self, name: str, tiles: int, visited: float, of_rows: bool, dims: int) -> Demand:
        """A backward kernel: each block of a list once, `dims` multiply-adds for each of its scores."""
        v = self.visits
        kernel, blocks = self.kernels[name], v.heads * tiles
        cost = tiles_cost(self._walked(kernel, of_rows), heavy, visited, v.masked_blocks(tiles, of_rows))
        cost += blocks * straight(kernel)
        return Demand(
            kernel,
            blocks=blocks,
            flops=visited * v.block_m * v.block_n * 2.0 * dims,
            **_issued(kernel, cost),
            turns=visited + 2.0 * blocks,
            stages=int(self.config.number(f"{name[1:]}_stages")),
            bytes=self._inputs(self.problem.head_dim, 3) + self._inputs(self.problem.value_dim, 2),
        )

    def _walked(self, kernel: CompiledKernel, of_rows: bool) -> CompiledKernel:
        """With the loops that its lists take."""
        return of_grain(kernel, of_rows) if self.by_rows else kernel

    def _list_tiles(self) -> Demand:
        """Reads the flags of every tile for each side, and writes its lists."""
        v = self.visits
        kernel = self.kernels["_list_tiles"]
        sides = [(v.q_tiles, v.k_tiles), (v.k_tiles, v.q_tiles)][: self.sides]
        turns = v.heads * sum(entries * math.ceil(length / _LIST_CHUNK) for entries, length in sides)
        body = max(kernel.loops, key=lambda loop: loop.instructions, default=Loop(kernel.instructions, 0))
        return Demand(
            kernel,
            blocks=v.heads * sum(entries for entries, _ in sides),
            instructions=turns * body.instructions * kernel.num_warps,
            transfers=turns * body.transfers * kernel.num_warps,
            turns=turns,
            bytes=len(sides) * (v.heads * v.q_tiles * v.k_tiles + 2.0 * v.listed),
        )

    def _inputs(self, dim: int, tensors: int) -> float:
        """Bytes of so many tensors of all rows."""
        v = self.visits
        return float(v.heads * v.n * dim * self.width * tensors)


class _Issued(TypedDict):
    instructions: float
    transfers: float


def _issued(kernel: CompiledKernel, cost: Array) -> _Issued:
    """Of a warp's instructions and transfers, those of all warps, as `Demand` takes them."""
    return {
        "instructions": float(cost[0]) * kernel.num_warps,
        "transfers": float(cost[1]) * kernel.num_warps,
    }

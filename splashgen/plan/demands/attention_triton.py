"""What the kernels of `attention_triton` do: how many tiles each visits, and what a visit costs."""

import math
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from splashgen.compile import CompiledKernel
from splashgen.compile.loops import Loop
from splashgen.config import Config
from splashgen.plan.demands import Demand
from splashgen.plan.loops import Array, heavy, light, straight, tiles_cost
from splashgen.plan.loops import cost as turn_cost
from splashgen.plan.sample import support
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

_TOKENS, _HEADS = 32768, 16
"""What attention is timed on: `splashgen.cases.attention`."""
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
        self.n = problem.seq_len
        self.heads = max(1, _TOKENS // self.n) * _HEADS
        self.block_m, self.block_n = int(config.number("block_m")), int(config.number("block_n"))
        self.found = support(
            problem.bucketed(),
            workload.removeprefix("timed:"),
            self.block_m,
            self.block_n,
            int(config.number("bound_steps")),
            int(config.number("bound_parts")),
            int(config.number("bound_together")),
            config.number("tolerance"),
        )
        self.q_tiles = math.ceil(self.n / self.block_m)
        self.k_tiles = math.ceil(self.n / self.block_n)
        visible = self.heads * self._visible(self.block_m, self.block_n)
        self.listed = visible * self.found.density
        self.by_rows = config["grain"] == "rows"
        # The forward pass lists keys of query tiles, in training queries of key tiles too.
        self.sides = 2 if problem.training else 1
        # Of marks, that a tile has on each side.
        self.words = max(max(self.block_m, self.block_n) // 32, 1)
        # What the kernels over the lists visit, in tiles; a list of single rows ends within one, on
        # average in its middle.
        self.keys = self.queries = self.listed
        if self.by_rows:
            self.keys = visible * self.found.keys + self.heads * self.q_tiles / 2.0
            self.queries = visible * self.found.queries + self.heads * self.k_tiles / 2.0
        self.width = 4 if problem.dtype is DType.FLOAT32 else 2

    def all(self) -> list[Demand]:
        d, dv = self.problem.head_dim, self.problem.value_dim
        demands = [self._bound(), self._list_tiles()]
        if self.by_rows:
            demands += [self._mark(), *self._list_rows()]
        demands.append(self._output())
        if self.problem.training:
            demands.append(self._over_lists("_dq", self.q_tiles, self.keys, 2 * d + dv, "dq_stages"))
            demands.append(
                self._over_lists("_dkdv", self.k_tiles, self.queries, 2 * d + 2 * dv, "dkdv_stages")
            )
        return demands

    def _bound(self) -> Demand:
        """Every visible block of scores once, then for each strip of rows the bound and the flags."""
        config, kernel = self.config, self.kernels["_bound"]
        bound_m, bound_n = int(config.number("bound_m")), int(config.number("bound_n"))
        blocks = self.heads * self._visible(bound_m, bound_n)
        strips = self.heads * math.ceil(self.n / bound_m)
        chunks = strips * math.ceil(self.k_tiles / _FLAGS) * self._share()
        cost = tiles_cost(kernel, light, blocks, self._masked(bound_m, bound_n))
        cost += strips * straight(kernel)
        listing = [loop for loop in kernel.loops if not loop.products and loop.instructions >= _LONG_LOOP]
        if listing:  # the last one in the code sets the flags
            *sums, flags = listing
            cost += chunks * turn_cost(flags)
            if sums:  # those before sum maxima in each step, a load a tile
                tiles = strips * self.k_tiles * self._share() * config.number("bound_steps")
                cost += tiles / max(sums[-1].transfers, 1.0) * turn_cost(sums[-1])
        return Demand(
            kernel,
            blocks=strips,
            flops=blocks * bound_m * bound_n * 2.0 * self.problem.head_dim,
            **_issued(kernel, cost),
            turns=blocks + chunks + strips * (2.0 + config.number("bound_steps")),
            stages=int(config.number("bound_stages")),
            bytes=self._inputs(self.problem.head_dim, 2) + self.listed,
            persistent=int(config.number("bound_programs")),
        )

    def _mark(self) -> Demand:
        """Every listed tile of scores once more."""
        kernel, blocks = self.kernels["_mark"], self.heads * self.q_tiles
        cost = tiles_cost(kernel, light, self.listed, self._masked(self.block_m, self.block_n))
        return Demand(
            kernel,
            blocks=blocks,
            flops=self.listed * self.block_m * self.block_n * 2.0 * self.problem.head_dim,
            **_issued(kernel, cost + blocks * straight(kernel)),
            turns=self.listed + blocks,
            stages=int(self.config.number("mark_stages")),
            bytes=self._inputs(self.problem.head_dim, 2) + 4.0 * self.words * self.sides * self.listed,
        )

    def _list_rows(self) -> list[Demand]:
        """Counts the marks of listed tiles and makes them numbers: of keys, in training of queries too."""
        sides = [(self.q_tiles, self.block_n, self.keys), (self.k_tiles, self.block_m, self.queries)]
        found = []
        passes = ("_count_rows", 1 / _LIST_CHUNK, 0.0), ("_list_rows", self.words / _WORDS, 2.0)
        for name, share, number in passes:
            kernel = self.kernels[name]
            # The last loop in the code is the one that reads marks.
            body = kernel.loops[-1] if kernel.loops else Loop(kernel.instructions, 0)
            entries, turns, written = 0, 0, 0.0
            for tiles, block, named in sides[: self.sides]:
                lists = self.heads * tiles
                listed = self.listed / lists
                entries += lists
                turns += lists * math.ceil(listed * share)
                written += (2.0 + 4.0 * self.words) * self.listed + number * named * block
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
        kernel, problem = self.kernels["_output"], self.problem
        passes, outputs = self.found.passes, 2 if problem.training else 1
        blocks, masked = self.heads * self.q_tiles, self._masked_blocks(self.q_tiles)
        cost = passes * tiles_cost(kernel, light, self.keys, masked)
        cost += tiles_cost(kernel, heavy, self.keys, masked) + blocks * straight(kernel)
        dims = (passes + 1.0) * problem.head_dim + outputs * problem.value_dim
        return Demand(
            kernel,
            blocks=blocks,
            flops=self.keys * self.block_m * self.block_n * 2.0 * dims,
            **_issued(kernel, cost),
            turns=(self.keys + blocks) * (passes + 1.0),
            stages=int(self.config.number("output_stages")),
            bytes=self._inputs(problem.head_dim, 2) + self._inputs(problem.value_dim, 1 + outputs),
        )

    def _over_lists(self, name: str, tiles: int, visited: float, dims: int, stages: str) -> Demand:
        """A backward kernel: each block of a list once, `dims` multiply-adds for each of its scores."""
        kernel, blocks = self.kernels[name], self.heads * tiles
        cost = tiles_cost(kernel, heavy, visited, self._masked_blocks(tiles)) + blocks * straight(kernel)
        return Demand(
            kernel,
            blocks=blocks,
            flops=visited * self.block_m * self.block_n * 2.0 * dims,
            **_issued(kernel, cost),
            turns=visited + 2.0 * blocks,
            stages=int(self.config.number(stages)),
            bytes=self._inputs(self.problem.head_dim, 3) + self._inputs(self.problem.value_dim, 2),
        )

    def _list_tiles(self) -> Demand:
        """Reads the flags of every tile for each side, and writes its lists."""
        kernel = self.kernels["_list_tiles"]
        sides = [(self.q_tiles, self.k_tiles), (self.k_tiles, self.q_tiles)][: self.sides]
        turns = self.heads * sum(entries * math.ceil(length / _LIST_CHUNK) for entries, length in sides)
        body = max(kernel.loops, key=lambda loop: loop.instructions, default=Loop(kernel.instructions, 0))
        return Demand(
            kernel,
            blocks=self.heads * sum(entries for entries, _ in sides),
            instructions=turns * body.instructions * kernel.num_warps,
            transfers=turns * body.transfers * kernel.num_warps,
            turns=turns,
            bytes=len(sides) * (self.heads * self.q_tiles * self.k_tiles + 2.0 * self.listed),
        )

    def _visible(self, rows: int, cols: int) -> int:
        """Tiles of one head in which a score exists."""
        strips = math.ceil(self.n / rows)
        if not self.problem.causal:
            return strips * math.ceil(self.n / cols)
        last = np.minimum((np.arange(strips) + 1) * rows, self.n)
        return int(np.ceil(last / cols).sum())

    def _masked(self, rows: int, cols: int) -> float:
        """Of the visible ones, tiles that the causal mask cuts, in all heads."""
        if not self.problem.causal:
            return 0.0
        return self.heads * math.ceil(self.n / rows) * max(1.0, rows / cols)

    def _masked_blocks(self, tiles: int) -> float:
        """Of the blocks that this many lists of each head name: a list of single rows ends with one."""
        return self.heads * float(tiles) if self.by_rows else self._masked(self.block_m, self.block_n)

    def _share(self) -> float:
        """Of the tiles that are visible."""
        return self._visible(self.block_m, self.block_n) / (self.q_tiles * self.k_tiles)

    def _inputs(self, dim: int, tensors: int) -> float:
        """Bytes of so many tensors of all rows."""
        return float(self.heads * self.n * dim * self.width * tensors)


class _Issued(TypedDict):
    instructions: float
    transfers: float


def _issued(kernel: CompiledKernel, cost: Array) -> _Issued:
    """Of a warp's instructions and transfers, those of all warps, as `Demand` takes them."""
    return {
        "instructions": float(cost[0]) * kernel.num_warps,
        "transfers": float(cost[1]) * kernel.num_warps,
    }

"""What attention's kernels visit: tiles of the mask, tiles of the support's lists, blocks of single rows."""

import math

import numpy as np

from splashgen.alpha import AlphaClass
from splashgen.config import Config
from splashgen.plan.sample import support
from splashgen.problem import Problem

__all__ = ["Visits", "few_tiles"]

_NEARLY_WHOLE = 0.6
"""Of the rows in a list's tiles, the part above which it names the tiles, as in the template."""

_TOKENS, _HEADS = 32768, 16
"""What attention is timed on: `splashgen.cases.attention`."""


def few_tiles(alpha: AlphaClass) -> int:
    """Listed tiles a query tile below which a head's lists stay whole: `FEW` of the template."""
    return 5 if alpha in (AlphaClass.TWO, AlphaClass.GENERIC) else 10


class Visits:
    """How much of a timed workload the kernels of a config go through, in all heads together."""

    def __init__(self, problem: Problem, config: Config, workload: str) -> None:
        self._causal = problem.causal
        self.n = problem.seq_len
        self.heads = max(1, _TOKENS // self.n) * _HEADS
        self.block_m, self.block_n = int(config.number("block_m")), int(config.number("block_n"))
        self.support = support(
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
        visible = self.heads * self.visible(self.block_m, self.block_n)
        self.listed = visible * self.support.density
        """Tiles that the lists name."""
        # Heads differ, but here all are alike.
        short = self.listed < few_tiles(problem.alpha) * self.heads * self.q_tiles
        marked = config["grain"] == "rows" and not short
        self.marked = self.listed if marked else 0.0
        """Tiles whose rows are marked."""
        most = _NEARLY_WHOLE * self.support.density
        self.key_rows = marked and self.support.keys <= most
        self.query_rows = marked and self.support.queries <= most
        """Whether the lists of query tiles and of key tiles name single rows."""
        # A list of single rows ends within a tile, on average in its middle.
        self.keys = self.queries = self.listed
        """What the kernels over the lists of query tiles and of key tiles go through, in tiles."""
        if self.key_rows:
            self.keys = visible * self.support.keys + self.heads * self.q_tiles / 2.0
        if self.query_rows:
            self.queries = visible * self.support.queries + self.heads * self.k_tiles / 2.0

    def visible(self, rows: int, cols: int) -> int:
        """Tiles of one head in which a score exists."""
        strips = math.ceil(self.n / rows)
        if not self._causal:
            return strips * math.ceil(self.n / cols)
        last = np.minimum((np.arange(strips) + 1) * rows, self.n)
        return int(np.ceil(last / cols).sum())

    def masked(self, rows: int, cols: int) -> float:
        """Of the visible ones, tiles that the causal mask cuts, in all heads."""
        if not self._causal:
            return 0.0
        return self.heads * math.ceil(self.n / rows) * max(1.0, rows / cols)

    def masked_blocks(self, tiles: int, of_rows: bool) -> float:
        """Of the blocks that this many lists of each head name: a list of single rows ends with one."""
        return self.heads * float(tiles) if of_rows else self.masked(self.block_m, self.block_n)

    @property
    def share(self) -> float:
        """Of all list tiles, those that are visible."""
        return self.visible(self.block_m, self.block_n) / (self.q_tiles * self.k_tiles)

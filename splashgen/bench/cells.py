"""`Cell`: one problem that everybody is measured on, and the grid of them."""

from collections.abc import Collection
from dataclasses import dataclass

from splashgen.alpha import AlphaClass
from splashgen.problem import DType, Operation, Problem
from splashgen.workloads import WORKLOADS, Shape

__all__ = ["GRID", "SEED", "TOY_GRID", "Cell", "select"]

SEED = 20_261_123
_TOKENS = 32_768
_HEADS = 16
_LENGTHS = (32_768, 8_192, 4_096, 16_384, 65_536)
"""In the order of measurement: what most targets are about comes first, in case time runs out."""
_HEAD_DIMS = (64, 128)
_DRAWN = ("clustered1", "clustered2", "clustered4", "clustered8", "gaussian", "gaussian6", "local_sink")


@dataclass(frozen=True, slots=True)
class Cell:
    """Sizes, data and semantics of one comparison."""

    seq_len: int
    head_dim: int
    workload: str
    batch: int
    heads: int
    dtype: DType = DType.BFLOAT16
    alpha: AlphaClass = AlphaClass.THREE_HALVES
    causal: bool = True
    seed: int = SEED

    @property
    def key(self) -> str:
        """The name of the cell in files of results."""
        sizes = f"n={self.seq_len} d={self.head_dim} batch={self.batch} heads={self.heads}"
        mask = "causal" if self.causal else "full"
        return f"{sizes} {self.workload} alpha={self.alpha.value} {mask} {self.dtype.value} seed={self.seed}"

    @property
    def shape(self) -> Shape:
        """Sizes as the workloads take them."""
        n, d = self.seq_len, self.head_dim
        return Shape(self.batch, self.heads, self.heads, n, n, d, d)

    @property
    def number(self) -> float:
        """α as a number."""
        assert self.alpha.alpha is not None, "Every cell has an α with a kernel of its own."
        return self.alpha.alpha

    @property
    def problem(self) -> Problem:
        """The cell as the dispatcher knows it."""
        n, d = self.seq_len, self.head_dim
        return Problem(Operation.ATTENTION, self.alpha, self.dtype, n, d, d, causal=self.causal)

    @property
    def dense_flop(self) -> float:
        """Floating point operations of one dense QKᵀ, of its visible half where causal."""
        scores = self.batch * self.heads * self.seq_len**2 / (2.0 if self.causal else 1.0)
        return 2.0 * self.head_dim * scores


def _cell(seq_len: int, head_dim: int, workload: str) -> Cell:
    return Cell(seq_len, head_dim, workload, max(1, _TOKENS // seq_len), _HEADS)


GRID: tuple[Cell, ...] = (
    *(_cell(n, d, name) for d in _HEAD_DIMS for n in _LENGTHS for name in _DRAWN),
    # What AdaSplash-2 cannot do, against AdaSplash-1.
    *(
        Cell(8_192, 64, name, 4, _HEADS, alpha=alpha, causal=False)
        for alpha in (AlphaClass.FOUR_THIRDS, AlphaClass.TWO)
        for name in ("clustered2", "gaussian")
    ),
)

TOY_GRID: tuple[Cell, ...] = tuple(
    Cell(n, 64, name, 1, 2, DType.FLOAT32) for n in (128, 256) for name in ("clustered2", "gaussian")
)
"""For a CPU: it shows that everything runs, and its times mean nothing."""


def select(
    grid: Collection[Cell],
    seq_lens: Collection[int] = (),
    head_dims: Collection[int] = (),
    workloads: Collection[str] = (),
) -> list[Cell]:
    """The cells of a grid with one of the given lengths, head dims and workloads; nothing given selects all.

    Raises
    ------
    ValueError
        If a workload does not exist, or no cell is left.
    """
    for name in workloads:
        if name not in WORKLOADS:
            raise ValueError(f"There is no workload {name!r}; there are {', '.join(WORKLOADS)}.")
    chosen = [
        cell
        for cell in grid
        if (not seq_lens or cell.seq_len in seq_lens)
        and (not head_dims or cell.head_dim in head_dims)
        and (not workloads or cell.workload in workloads)
    ]
    if not chosen:
        raise ValueError(
            f"No cell has one of the chosen lengths, head dims and workloads. Lengths are "
            f"{_listed(cell.seq_len for cell in grid)}, head dims {_listed(cell.head_dim for cell in grid)}, "
            f"workloads {_listed(cell.workload for cell in grid)}."
        )
    return chosen


def _listed(values: object) -> str:
    return ", ".join(str(value) for value in sorted(set(values)))  # type: ignore[call-overload]

"""`predict`: how fast entmax attention of some density is against softmax, by what was measured on a chip."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splashgen.alpha import AlphaClass
from splashgen.bench.collected import Collected, milliseconds
from splashgen.resources import shipped_folder

__all__ = ["Measurements", "Prediction"]

_PEERS = ("flash2", "cudnn")
_FARTHEST = 4


@dataclass(frozen=True, slots=True)
class Prediction:
    """A ratio of times, or why there is none."""

    ratio: float | None
    """Softmax's time over ours, forward and backward; above 1 entmax is the faster."""
    source: str
    """The measurement that it comes from, or a sentence on what was not measured."""


class Measurements:
    """The committed results of `splashgen bench` for one chip.

    Parameters
    ----------
    gpu : str
        The chip's slug, as `splashgen gpus` lists them.
    folder : Path, optional
        Of the results; those that came with splashgen if left out.
    """

    def __init__(self, gpu: str, folder: Path | None = None) -> None:
        self.gpu = gpu
        self._results = Collected.of_folder(folder or shipped_folder("benchmarks/results"), gpu)

    @property
    def empty(self) -> bool:
        """Whether there is nothing of that chip."""
        return not self._results.keys

    def predict(self, density: float, length: int, head_dim: int, causal: bool, alpha: float) -> Prediction:
        """Interpolate between measured tile densities, at the nearest measured length.

        Nothing is guessed: the head dim, the mask and α must have been measured, and a length within a
        factor of four. The yardstick is the faster of FlashAttention-2 and cuDNN in the same cell.
        """
        points: dict[int, list[tuple[float, float, float]]] = {}
        kind = AlphaClass.of(alpha).value
        for key in self._results.keys:
            cell = self._results.cell(key)
            asked = cell["head_dim"], cell["causal"], cell["alpha"]
            times = self._times(key) if asked == (head_dim, causal, kind) else None
            if times is not None:
                points.setdefault(cell["seq_len"], []).append(times)
        what = f"head dim {head_dim}, {'causal' if causal else 'full'}, α={alpha:g}"
        if not points:
            return Prediction(None, f"not measured on {self.gpu}: {what}")
        nearest = min(points, key=lambda one: abs(np.log(one / length)))
        if not 1 / _FARTHEST <= nearest / length <= _FARTHEST:
            return Prediction(
                None, f"not measured on {self.gpu} near {length} keys; {nearest} is the nearest"
            )
        densities, ours, softmax = zip(*sorted(points[nearest]), strict=True)
        ratio = float(np.median(softmax) / np.interp(density, densities, ours))
        told = f"{len(densities)} densities from {densities[0]:.2f} to {densities[-1]:.2f}"
        return Prediction(ratio, f"{self.gpu}, n={nearest}, {what}, {told}")

    def _times(self, key: str) -> tuple[float, float, float] | None:
        """Tile density, our milliseconds, and the fastest softmax's, of one cell."""
        run = self._results.run(key, "ours")
        rows = {} if run is None else run["peers"]
        good = {name: milliseconds(row, "both") for name, row in rows.items() if row["status"] == "ok"}
        theirs = [good[name] for name in _PEERS if name in good]
        density = self._results.density(key)
        return (
            (density, good["ours"], min(theirs))
            if "ours" in good and theirs and density is not None
            else None
        )

"""`will_it_help`: what entmax attention would make of a model's speed, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from splashgen.bench.results import BenchError
from splashgen.gpu import check_known, detect
from splashgen.inspect.sparsity import HeadSparsity, sparsity
from splashgen.inspect.speed import Measurements, Prediction

__all__ = ["Advice", "LayerAdvice", "will_it_help"]


@dataclass(frozen=True, slots=True)
class LayerAdvice:
    """One layer at one length."""

    layer: int
    name: str
    length: int
    support: float
    """Keys a query attends to, the mean over heads."""
    visible: float
    tile_density: float
    """The mean over heads."""
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Advice:
    """What was measured, and what follows for the speed; `print` shows it as a table."""

    gpu: str
    layers: tuple[LayerAdvice, ...]

    @property
    def speedup(self) -> float | None:
        """Softmax's time over ours in all attention, each layer and length once; None if any is unknown."""
        ratios = [layer.prediction.ratio for layer in self.layers]
        known = [1.0 / ratio for ratio in ratios if ratio is not None]
        return len(known) / sum(known) if known and len(known) == len(ratios) else None

    def __str__(self) -> str:
        lines = [f"{'layer':>5} {'keys':>6} {'attended':>9} {'of':>8} {'tiles':>6}  against softmax"]
        for one in self.layers:
            ratio = "-" if one.prediction.ratio is None else f"{one.prediction.ratio:.2f}x"
            told = f"{one.layer:>5} {one.length:>6} {one.support:>9.1f} {one.visible:>8.1f}"
            lines.append(f"{told} {one.tile_density:>6.2f}  {ratio}")
        if self.speedup is not None:
            lines.append(f"All attention, forward and backward: {self.speedup:.2f}x as fast as softmax.")
        sources = dict.fromkeys(one.prediction.source for one in self.layers)
        return "\n".join(lines + [f"Speed: {source}." for source in sources])


def will_it_help(
    model: Any,
    inputs: Any,
    alpha: float | None = None,
    *,
    gpu: str | None = None,
    results: Path | None = None,
) -> Advice:
    """Measure a model's attention and predict its speed-up over softmax on a chip.

    The prediction is of attention alone, forward and backward in bfloat16; projections and the rest of a
    layer take their time as before. A softmax model that is trained on with entmax becomes sparser or
    denser, which only training shows.

    Parameters
    ----------
    model : PreTrainedModel
    inputs : mapping or Tensor, or a list of them
        The arguments of the model; several for several lengths.
    alpha : float, optional
        In place of the model's own; 1.5 where it has none.
    gpu : str, optional
        The chip's slug, such as h100; the one that is here if left out.
    results : Path, optional
        A folder of results of `splashgen bench`; those that came with splashgen if left out.

    Returns
    -------
    Advice
        Where the chip, the head dim, the mask, α or the length was not measured, it says so instead of a
        number.

    Raises
    ------
    ValueError
        If there are no inputs, nobody knows such a chip, or the model's attention cannot be looked at.
    """
    slug = detect().slug if gpu in (None, "auto") else gpu
    try:
        measurements = Measurements(slug, results)
    except BenchError:
        measurements = None
    if slug == gpu and slug != detect().slug and (measurements is None or measurements.empty):
        check_known(slug)
    given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if not given:
        raise ValueError(
            "inputs is empty, but must have the arguments of at least one call of the model, such as "
            "tokenizer(text, return_tensors='pt')."
        )
    layers = []
    for one in given:
        heads = sparsity(model, one, alpha)
        for _, group in groupby(heads, key=lambda head: head.name):
            layers.append(_layer(list(group), measurements, slug))
    return Advice(slug, tuple(layers))


def _layer(heads: Sequence[HeadSparsity], measurements: Measurements | None, slug: str) -> LayerAdvice:
    density, first = fmean(head.tile_density for head in heads), heads[0]
    if measurements is None:
        prediction = Prediction(None, f"nothing was measured on {slug}")
    elif len({head.alpha for head in heads}) > 1:
        prediction = Prediction(None, f"not measured on {slug}: heads with an α of their own")
    else:
        prediction = measurements.predict(density, first.length, first.head_dim, first.causal, first.alpha)
    support, visible = fmean(head.support for head in heads), fmean(head.visible for head in heads)
    return LayerAdvice(first.layer, first.name, first.length, support, visible, density, prediction)

"""`attention_maps`: the probabilities that kernels never hold, for short inputs, and pictures of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from splashgen.inspect.observe import Call, observe
from splashgen.reference import entmax
from splashgen.reference.visibility import Visibility

__all__ = ["attention_maps", "save_maps"]

_MOST = 1 << 28


def attention_maps(
    model: Any, inputs: Any, alpha: float | None = None, layers: Sequence[int] | None = None
) -> dict[str, Tensor]:
    """The attention probabilities of a model on given inputs.

    Parameters
    ----------
    model : PreTrainedModel
        With entmax or softmax attention, as for `sparsity`: the probabilities are entmax's.
    inputs : mapping or Tensor
        The arguments of the model.
    alpha : float, optional
        In place of the model's own; 1.5 where it has none.
    layers : sequence of int, optional
        Those that are wanted; all if left out.

    Returns
    -------
    dict of Tensor (batch, heads, n_q, n_k)
        float32 on the CPU, by the name of the attention module.

    Raises
    ------
    ValueError
        If a layer's probabilities are too many to be looked at.
    """
    found: dict[str, Tensor] = {}

    def look(call: Call) -> None:
        if layers is None or call.layer in layers:
            found[call.name] = _probabilities(call).float().cpu()

    observe(model, inputs, look, alpha)
    return found


def save_maps(
    maps: Mapping[str, Tensor], folder: Path | str, *, sequence: int = 0, tokens: Sequence[str] | None = None
) -> list[Path]:
    """Draw one picture a layer, its heads side by side; what is exactly zero stays white.

    Parameters
    ----------
    maps : mapping of Tensor (batch, heads, n_q, n_k)
        From `attention_maps`.
    folder : path
        Made if it is not there; a layer's file is `<name>.png`.
    sequence : int
        Which one of the batch.
    tokens : sequence of str, optional
        Written along the axes, where there are at most 64.

    Returns
    -------
    list of Path
        The pictures.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "Pictures need matplotlib; `pip install 'splashgen-kernels[plots]'` brings it."
        ) from None
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, probabilities in maps.items():
        shown = probabilities[sequence]
        columns = min(4, len(shown))
        rows = -(-len(shown) // columns)
        figure = Figure(figsize=(3.2 * columns, 3.2 * rows), layout="constrained")
        for head, matrix in enumerate(shown):
            axes = figure.add_subplot(rows, columns, head + 1)
            zero = float((matrix == 0).float().mean())
            axes.set_title(f"head {head}: {zero:.0%} zero", fontsize=9)
            image = axes.imshow(np.ma.masked_equal(matrix.numpy(), 0), vmin=0, vmax=1, cmap="viridis_r")
            _label(axes, tokens, matrix.shape)
        figure.colorbar(image, ax=figure.axes, label="probability")
        figure.suptitle(name)
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=110)
    return paths


def _probabilities(call: Call) -> Tensor:
    query, key, options = call.query, call.key, call.options
    (batch, heads, n_q, head_dim), n_k = query.shape, key.shape[2]
    if batch * heads * n_q * n_k > _MOST:
        raise ValueError(
            f"The probabilities of {call.name} are {batch}×{heads}×{n_q}×{n_k}, more than attention_maps "
            "holds; pass a shorter text, or fewer sequences. splashgen.inspect.sparsity takes any length."
        )
    masks = Visibility(
        options["is_causal"], options["window_size"], None, options["key_padding"], options["attn_mask"]
    )
    scale = head_dim**-0.5 if options["scale"] is None else options["scale"]
    scores = scale * (query.double() @ key.double().repeat_interleave(heads // key.shape[1], 1).mT)
    scores = torch.where(masks.block(0, n_q, n_q, n_k, query.device), scores, -torch.inf)
    alpha = call.alpha.reshape(-1, 1, 1) if isinstance(call.alpha, Tensor) else call.alpha
    return entmax(scores, alpha)


def _label(axes: Any, tokens: Sequence[str] | None, shape: torch.Size) -> None:
    if tokens is None or max(shape) > 64 or len(tokens) < max(shape):
        axes.set_xlabel("key", fontsize=8)
        axes.set_ylabel("query", fontsize=8)
        return
    axes.set_xticks(range(shape[1]), tokens[: shape[1]], rotation=90, fontsize=6)
    axes.set_yticks(range(shape[0]), tokens[: shape[0]], fontsize=6)

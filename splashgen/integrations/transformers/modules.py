"""Attention modules of Transformers: where they are in a model, and what they say of themselves."""

from collections.abc import Iterator

from torch import nn
from transformers import PreTrainedModel

__all__ = ["attention_modules", "is_softmax_layer", "layer_of", "window_of"]


def layer_of(module: nn.Module) -> int | None:
    """The number of the layer that an attention module belongs to, as Transformers counts."""
    layer = getattr(module, "layer_idx", getattr(module, "layer_id", None))
    return None if layer is None else int(layer)


def is_softmax_layer(module: nn.Module, sliding_window: int | None) -> bool:
    """Whether a layer keeps softmax: local ones do if `config.splashgen_local` is "softmax".

    Raises
    ------
    ValueError
        If it is neither "entmax", the default, nor "softmax".
    """
    choice = getattr(getattr(module, "config", None), "splashgen_local", "entmax")
    if choice not in ("entmax", "softmax"):
        raise ValueError(f"config.splashgen_local is {choice!r}, but must be 'entmax' or 'softmax'.")
    return choice == "softmax" and sliding_window is not None


def window_of(module: nn.Module) -> int | None:
    """The sliding window of an attention module, as it hands it to the attention function."""
    # ModernBERT in older releases names the two sides, (-1, -1) in global layers.
    left: int = getattr(module, "local_attention", (-1, -1))[0]
    window: int | None = getattr(module, "sliding_window", left + 1 if left >= 0 else None)
    return window


def attention_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules that call the attention function, by name, in order.

    Raises
    ------
    ValueError
        If there are none.
    """
    found = False
    for name, module in model.named_modules():
        marks = hasattr(module, "is_causal") or hasattr(module, "local_attention")
        if marks and hasattr(module, "config") and not isinstance(module, PreTrainedModel):
            found = True
            yield name, module
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no attention modules of Transformers' interface; α can be set where "
            "a model of Transformers runs with attn_implementation='splashgen'."
        )

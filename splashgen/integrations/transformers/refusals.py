"""What Transformers may ask and entmax attention does not do, each with a sentence."""

import contextlib
from typing import Any

from torch import Tensor, nn

__all__ = ["refuse"]

_collector: Any = None
with contextlib.suppress(ImportError):
    from transformers.utils.output_capturing import _active_collector as _collector

_DROPOUTS = ("attn_pdrop", "attention_probs_dropout_prob", "attention_dropout")

_UNSUPPORTED = {
    "head_mask": "pass none, and prune heads or zero their columns of the output projection instead",
    "layer_head_mask": "pass none, and prune heads or zero their columns of the output projection instead",
    "position_bias": "use a model with rotary or absolute positions, or ALiBi by splashgen.attention",
    "softcap": "set the config's soft cap to None, or keep attn_implementation='eager'",
    "s_aux": "attention sinks are softmax's: entmax can leave a row to few keys without one; keep 'eager'",
    "cache": "continuous batching keeps its keys in pages, which entmax does not read; use model.generate",
}


def refuse(
    module: nn.Module, attention_mask: object, dropout: float, asked_before: bool, kwargs: dict[str, Any]
) -> None:
    """Raise if the call asks for something that would otherwise be ignored.

    Parameters
    ----------
    module : nn.Module
        The attention module, whose config names its dropout.
    attention_mask : object
        As the model hands it down.
    dropout : float
        On the attention weights, 0 outside training.
    asked_before : bool
        Whether the caller is known to want attention weights.
    kwargs : dict
        What else the model handed down.

    Raises
    ------
    ValueError
        For dropout, attention weights as an output, head masks, biases, caps, sinks, and masks that are not
        boolean.
    """
    if dropout:
        raise ValueError(_dropout_sentence(module, dropout))
    if asked_before or _wants_weights(module, kwargs):
        raise ValueError(
            "output_attentions is True, but the kernels never hold the attention weights; "
            "splashgen.inspect.attention_maps(model, inputs) computes them, layer by layer."
        )
    for name, way_out in _UNSUPPORTED.items():
        if kwargs.get(name) is not None:
            raise ValueError(f"{name} was given, but attn_implementation='splashgen' has none; {way_out}.")
    if attention_mask is None:
        return
    if not isinstance(attention_mask, Tensor) or attention_mask.dim() not in (2, 4):
        shape = f" of shape {tuple(attention_mask.shape)}" if isinstance(attention_mask, Tensor) else ""
        raise ValueError(
            f"attention_mask is a {type(attention_mask).__name__}{shape}, but must be a tensor "
            "(batch, keys), True where a key exists, or bool (batch, 1 or heads, queries, keys), True where "
            "a score exists."
        )
    if attention_mask.is_floating_point():
        raise ValueError(
            f"attention_mask has dtype {attention_mask.dtype} and shape {tuple(attention_mask.shape)}, but a "
            "bias on the scores is not supported; pass a bool mask, True where a score exists: "
            "`mask == 0` for a mask of 0 and -inf."
        )


def _dropout_sentence(module: nn.Module, dropout: float) -> str:
    config = getattr(module, "config", None)
    name = next((name for name in _DROPOUTS if hasattr(config, name)), "attention_dropout")
    return (
        f"Dropout on the attention weights is {dropout}, but entmax attention has none: it drops most of "
        f"them anyway, exactly. Build the model with {name}=0.0 in its config, as in "
        f'AutoModel.from_pretrained(name, attn_implementation="splashgen", {name}=0.0).'
    )


def _wants_weights(module: nn.Module, kwargs: dict[str, Any]) -> bool:
    config = getattr(module, "config", None)
    if kwargs.get("output_attentions") or getattr(config, "output_attentions", False):
        return True
    # Newer models take the argument out before it comes here, and collect what their modules return.
    collected = None if _collector is None else _collector.get()
    return collected is not None and "attentions" in collected

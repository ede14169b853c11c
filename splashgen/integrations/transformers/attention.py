"""The attention function of `AttentionInterface`: a model's call → `splashgen.attention`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import splashgen
from splashgen.integrations.transformers.alpha_values import alpha_of
from splashgen.integrations.transformers.modules import is_softmax_layer
from splashgen.integrations.transformers.older import asked_for_weights, settled
from splashgen.integrations.transformers.packed import packed_softmax, under_a_mask
from splashgen.integrations.transformers.refusals import refuse
from splashgen.integrations.transformers.softmax import softmax_attention

__all__ = ["Compute", "arguments", "attend", "computed"]

Compute = Callable[[nn.Module, Tensor, Tensor, Tensor, float | None, dict[str, Any]], Tensor]
"""(module, query, key, value, a softmax layer's dropout or None, options) → (batch, heads, n_q, head_dim)."""


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    compute: Compute | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Entmax attention for a module of Transformers.

    Parameters
    ----------
    module : nn.Module
        The attention module; `config`, `layer_idx` and `is_causal` are read.
    query : Tensor (batch, heads, n_q, head_dim)
    key, value : Tensor (batch, kv_heads, n_k, head_dim)
    attention_mask : Tensor, optional
        What `masks.attention_mask` made.
    scaling : float, optional
        Of the scores; 1/√head_dim if left out.
    dropout : float
        Must be 0, but in softmax layers.
    is_causal : bool, optional
        In place of the module's own.
    sliding_window : int, optional
        Keys up to sliding_window - 1 positions away are seen, as in Transformers' flash-attn functions.
    compute : callable, optional
        In place of `computed`: what is done with the tensors; `splashgen.inspect` looks at them there. Packed
        sequences come as one call under a mask.

    Returns
    -------
    Tensor (batch, n_q, heads, head_dim)
    None
        Where other functions return attention weights.

    Raises
    ------
    ValueError
        If the model asks for what entmax attention does not do; the message names the alternative.
    """
    softmax = is_softmax_layer(module, sliding_window)
    refuse(module, attention_mask, 0.0 if softmax else dropout, asked_for_weights(), kwargs)
    scaling, is_causal = settled(module, scaling, is_causal)
    chosen = dropout if softmax else None
    if kwargs.get("cu_seq_lens_q") is not None:
        pattern = _pattern(module, scaling, is_causal, sliding_window)
        return _packed(module, query, key, value, chosen, pattern, compute, kwargs), None
    key, value, options = arguments(
        module, query, key, value, attention_mask, scaling, is_causal, sliding_window
    )
    out = (compute or computed)(module, query, key, value, chosen, options)
    return out.transpose(1, 2).contiguous(), None


def computed(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout: float | None,
    options: dict[str, Any],
) -> Tensor:
    """Entmax attention with α of the module; softmax attention where there is a dropout, 0 included."""
    if dropout is not None:
        return softmax_attention(query, key, value, dropout=dropout, **options)
    out: Tensor = splashgen.attention(
        query, key, value, alpha=alpha_of(module), sparsity=_sparsity_of(module), **options
    )
    return out


def _sparsity_of(module: nn.Module) -> Any:
    """`config.splashgen_sparsity`, which `splashgen.attention` checks."""
    return getattr(getattr(module, "config", None), "splashgen_sparsity", None)


def arguments(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None,
    is_causal: bool | None,
    sliding_window: int | None,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Keys and values that exist, and the options of `splashgen.attention`, α left out."""
    options = _pattern(module, scaling, is_causal, sliding_window)
    options |= {"key_padding": None, "attn_mask": None}
    if mask is None:
        return key, value, options
    if mask.dim() == 2:
        options["key_padding"] = mask.to(key.device, torch.bool)
        return key[:, :, : mask.shape[1]], value[:, :, : mask.shape[1]], options
    options |= {"is_causal": False, "window_size": (-1, -1)}  # a whole mask says it all
    mask = mask[..., : key.shape[2]].bool()
    if query.shape[2] == 1 and mask.shape[1] == 1:
        options["key_padding"] = mask[:, 0, 0].expand(query.shape[0], -1)
    else:
        options["attn_mask"] = mask
    return key, value, options


def _pattern(
    module: nn.Module, scaling: float | None, is_causal: bool | None, sliding_window: int | None
) -> dict[str, Any]:
    """What the module says of itself; a decoder may be told by its config to look both ways."""
    if is_causal is None:
        is_causal = getattr(module, "is_causal", True)
        is_causal = is_causal and getattr(getattr(module, "config", None), "is_causal", True)
    side = -1 if sliding_window is None else sliding_window - 1
    return {
        "scale": scaling,
        "is_causal": bool(is_causal),
        "window_size": (side, 0 if is_causal and side >= 0 else side),
        "enable_gqa": True,
    }


def _packed(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout: float | None,
    pattern: dict[str, Any],
    compute: Compute | None,
    kwargs: dict[str, Any],
) -> Tensor:
    """Sequences one after the other in a batch of one, as `DataCollatorWithFlattening` packs them.

    The dropout is that of a softmax layer, as `computed` takes it.
    """
    offsets = kwargs["cu_seq_lens_q"].int(), kwargs["cu_seq_lens_k"].int()
    if compute is not None:
        options = under_a_mask(query, key, offsets, pattern)
        return compute(module, query, key, value, dropout, options).transpose(1, 2).contiguous()
    if dropout is not None:
        softmax = packed_softmax(query, key, value, offsets, dropout, pattern)
        return softmax.transpose(1, 2).contiguous()
    out: Tensor = splashgen.attention_varlen(
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        *offsets,
        int(kwargs["max_length_q"]),
        int(kwargs["max_length_k"]),
        alpha=alpha_of(module),
        sparsity=_sparsity_of(module),
        **pattern,
    )
    return out[None]

"""What Transformers before 5.17 does in another way."""

import contextlib
import importlib.util
import sys
from typing import Any

import torch
from torch import Tensor, nn

import splashgen
from splashgen.integrations.transformers.alpha import alpha_of, is_softmax_layer
from splashgen.integrations.transformers.refusals import refuse
from splashgen.integrations.transformers.softmax import softmax_attention

__all__ = ["asked_for_weights", "register"]

_COLLECTS = importlib.util.find_spec("transformers.utils.output_capturing") is not None


def asked_for_weights() -> bool:
    """Whether the module that calls the attention function will put its weights into the outputs.

    Older attention modules take `output_attentions` as an argument and do not hand it down.
    """
    if _COLLECTS or torch.compiler.is_compiling():
        return False
    return bool(sys._getframe(2).f_locals.get("output_attentions"))


def register(name: str) -> None:
    """ModernBERT had a table of attention functions of its own before it used the common one."""
    with contextlib.suppress(ImportError):
        from transformers.models.modernbert.modeling_modernbert import MODERNBERT_ATTENTION_FUNCTION

        MODERNBERT_ATTENTION_FUNCTION[name] = _attend_modernbert


def _attend_modernbert(
    module: nn.Module,
    qkv: Tensor,
    attention_mask: Tensor,
    position_ids: Tensor | None,
    local_attention: tuple[int, int],
    bs: int,
    dim: int,
    output_attentions: bool = False,
    **kwargs: Any,
) -> tuple[Tensor]:
    """ModernBERT's attention from its joint projection (batch, n, 3, heads, head_dim).

    Its mask is 0 or the lowest float for each pair, the same for all queries.
    """
    from transformers.models.modernbert.modeling_modernbert import apply_rotary_pos_emb

    dropout = float(getattr(module, "attention_dropout", 0.0)) if module.training else 0.0
    local = None if local_attention == (-1, -1) else local_attention[0] + 1
    softmax = is_softmax_layer(module, local)
    refuse(module, None, 0.0 if softmax else dropout, output_attentions, {})
    query, key, value = qkv.transpose(3, 1).unbind(dim=2)
    query, key = apply_rotary_pos_emb(query, key, *module.rotary_emb(qkv, position_ids=position_ids))
    padding = attention_mask[:, 0, 0] == 0
    options: dict[str, Any] = {
        "scale": None,
        "is_causal": False,
        "window_size": local_attention,
        "enable_gqa": False,
        "key_padding": None if not torch.compiler.is_compiling() and bool(padding.all()) else padding,
        "attn_mask": None,
    }
    if softmax:
        out = softmax_attention(query, key, value, dropout=dropout, **options)
    else:
        out = splashgen.attention(query, key, value, alpha=alpha_of(module), **options)
    return (out.transpose(1, 2).reshape(bs, -1, dim),)

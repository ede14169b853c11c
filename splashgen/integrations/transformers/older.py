"""What Transformers before 5.17 did in another way."""

import importlib
import importlib.util
import sys
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import AttentionInterface

from splashgen.integrations.transformers.modules import window_of

__all__ = ["asked_for_weights", "has_table", "register", "settled"]

_COLLECTS = importlib.util.find_spec("transformers.utils.output_capturing") is not None


def asked_for_weights() -> bool:
    """Whether the module that calls the attention function will put its weights into the outputs.

    Older attention modules take `output_attentions` as an argument and do not hand it down.
    """
    if _COLLECTS or torch.compiler.is_compiling():
        return False
    return bool(sys._getframe(2).f_locals.get("output_attentions"))


def settled(
    module: nn.Module, scaling: float | None, is_causal: bool | None
) -> tuple[float | None, bool | None]:
    """Scale and causality of a call; GPT-2 used not to tell them as others do."""
    if not hasattr(module, "is_cross_attention") or hasattr(module, "scaling"):
        return scaling, is_causal
    # Its `is_causal` argument is False under any mask, and its options on the scale are for eager alone.
    module_: Any = module
    scale = module_.head_dim**-0.5 if module_.scale_attn_weights else 1.0
    if module_.scale_attn_by_inverse_layer_idx:
        scale /= module_.layer_idx + 1
    return scale, not module_.is_cross_attention


def register(name: str) -> None:
    """Enter a function, or a refusal, where a model had a table of its own before it used the common one."""
    for model, table, function in _TABLES:
        module = importlib.import_module(f"transformers.models.{model}.modeling_{model}")
        if hasattr(module, table):
            getattr(module, table)[name] = function


def has_table(module: str) -> bool:
    """Whether the models of a module look up a table of their own, by the module's full name."""
    return any(
        module == f"transformers.models.{model}.modeling_{model}" and hasattr(sys.modules.get(module), table)
        for model, table, _ in _TABLES
    )


def _refuse_bert(config: Any, **kwargs: Any) -> nn.Module:
    raise NotImplementedError(
        f"{config.model_type} takes attention functions from Transformers 5.0 on, but "
        f"{transformers.__version__} is installed; `pip install -U transformers` brings a newer one. GPT-2, "
        "Llama, Qwen and ModernBERT work with this one."
    )


def _attend_modernbert(
    module: Any,
    qkv: Tensor,
    attention_mask: Tensor,
    bs: int,
    dim: int,
    position_ids: Tensor | None = None,
    position_embeddings: tuple[Tensor, Tensor] | None = None,
    output_attentions: bool = False,
    **kwargs: Any,
) -> tuple[Tensor]:
    """ModernBERT's attention from its joint projection (batch, n, 3, heads, head_dim).

    Its mask is 0 or the lowest float for each pair, the same for all queries.
    """
    query, key, value = qkv.transpose(3, 1).unbind(dim=2)
    if position_embeddings is None:
        position_embeddings = module.rotary_emb(qkv, position_ids=position_ids)
    rotated = sys.modules[type(module).__module__].apply_rotary_pos_emb
    query, key = rotated(query, key, *position_embeddings)
    padding = attention_mask[:, 0, 0] == 0
    attend = AttentionInterface()[module.config._attn_implementation]
    out, _ = attend(
        module,
        query,
        key,
        value,
        None if not torch.compiler.is_compiling() and bool(padding.all()) else padding,
        dropout=module.attention_dropout if module.training else 0.0,
        is_causal=False,
        sliding_window=window_of(module),
        output_attentions=output_attentions,
    )
    return (out.reshape(bs, -1, dim),)


_TABLES = (
    ("modernbert", "MODERNBERT_ATTENTION_FUNCTION", _attend_modernbert),
    ("bert", "BERT_SELF_ATTENTION_CLASSES", _refuse_bert),
    ("roberta", "ROBERTA_SELF_ATTENTION_CLASSES", _refuse_bert),
)

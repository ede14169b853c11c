"""`observe`: a model runs once, and somebody looks at the tensors of each attention call."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Call", "observe"]


@dataclass(frozen=True, slots=True)
class Call:
    """One attention call of a model."""

    name: str
    """Of the attention module in the model."""
    layer: int
    """As the module counts, else the number of the call."""
    query: Tensor
    """(batch, heads, n_q, head_dim)."""
    key: Tensor
    """(batch, kv_heads, n_k, head_dim)."""
    value: Tensor
    """(batch, kv_heads, n_k, head_dim)."""
    alpha: float | Tensor
    """Of entmax, one value or one a head."""
    options: dict[str, Any]
    """Scale and masks, as `splashgen.attention` takes them."""


@torch.no_grad()
def observe(model: Any, inputs: Any, look: Callable[[Call], None], alpha: float | None = None) -> None:
    """Run a model once, without gradients and dropout, and hand each of its entmax layers to `look`.

    A model that does not run with attn_implementation="splashgen" computes softmax meanwhile, as it was
    trained to; layers of a splashgen model that keep softmax are left out.

    Parameters
    ----------
    model : PreTrainedModel
    inputs : mapping or Tensor
        The arguments of the model, such as a tokenizer returns them.
    look : callable
        Takes a `Call`, whose tensors it should not keep longer than it must.
    alpha : float, optional
        In place of the model's own; 1.5 where it has none.

    Raises
    ------
    ValueError
        If the model's attention cannot be looked at.
    """
    from splashgen.integrations.transformers import NAME
    from splashgen.integrations.transformers.alpha_values import DEFAULT, alpha_of
    from splashgen.integrations.transformers.attention import computed
    from splashgen.integrations.transformers.modules import layer_of

    if not hasattr(getattr(model, "config", None), "_attn_implementation"):
        raise ValueError(
            f"model is a {type(model).__name__}, but must be a model of Transformers, whose attention can be "
            "looked at while it runs; elsewhere splashgen.attention(..., return_support=True) counts the "
            "keys that each query attends to."
        )
    names = {id(module): name for name, module in model.named_modules()}
    softmax = model.config._attn_implementation != NAME
    calls = 0

    def compute(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, dropout: float | None, options: Any
    ) -> Tensor:
        nonlocal calls
        if softmax or dropout is None:
            chosen = alpha if alpha is not None else DEFAULT if softmax else alpha_of(module)
            layer = layer_of(module)
            name = names.get(id(module), "")
            look(Call(name, calls if layer is None else layer, query, key, value, chosen, options))
        calls += 1
        return computed(module, query, key, value, 0.0 if softmax else dropout, options)

    with _evaluating(model), _attending(model, compute):
        model(**inputs) if isinstance(inputs, Mapping) else model(inputs)
    if not calls:
        raise ValueError(
            f"{type(model).__name__} made no call that can be looked at: its attention does not go through "
            "Transformers' interface in this release."
        )


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _attending(model: Any, compute: Any) -> Iterator[None]:
    """The attention function computes with `compute`, and the model uses it."""
    from transformers import AttentionInterface

    from splashgen.integrations.transformers import NAME, attend

    before = model.config._attn_implementation
    AttentionInterface.register(NAME, partial(attend, compute=compute))
    try:
        if before != NAME:
            model.set_attn_implementation(NAME)
        yield
    finally:
        AttentionInterface.register(NAME, attend)
        if before != NAME:
            model.set_attn_implementation(before)

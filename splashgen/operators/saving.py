"""Attention whose forward operator returns what the kernel keeps for its backward operator.

Which tensors these are depends on the kernel's config, so the kernel's name is an argument: it is part of the
graph, and both operators and their fakes build that kernel, whatever the tables say by then.
"""

from typing import Any

import torch
from torch import Tensor

from splashgen.operators.arguments import SCHEMA, Arguments
from splashgen.operators.gradients import Gradients, gradients, unset_gradients
from splashgen.operators.named import kernel_named
from splashgen.operators.outline import outline
from splashgen.operators.recomputing import forward

__all__ = ["attention_saving"]


def _forward(*inputs: Any) -> list[Tensor]:
    return forward(kernel_named(inputs[-1]), Arguments(*inputs[:-1]))


def _backward(dout: Tensor, saved: list[Tensor], *inputs: Any) -> Gradients:
    return gradients(kernel_named(inputs[-1]), dout, Arguments(*inputs[:-1]), saved)


attention_saving = torch.library.custom_op(
    "splashgen::attention_saving",
    _forward,
    mutates_args=(),
    schema=f"({SCHEMA}, str kernel) -> Tensor[]",
)

_attention_saving_backward = torch.library.custom_op(
    "splashgen::attention_saving_backward",
    _backward,
    mutates_args=(),
    schema=f"(Tensor dout, Tensor[] saved, {SCHEMA}, str kernel) -> (Tensor, Tensor, Tensor, Tensor)",
)


@attention_saving.register_fake
def _(*inputs: Any) -> list[Tensor]:
    given = Arguments(*inputs[:-1])
    return outline(kernel_named(inputs[-1]), given.query, given.key, given.value, **given.features())


@_attention_saving_backward.register_fake
def _(dout: Tensor, saved: list[Tensor], *inputs: Any) -> Gradients:
    return unset_gradients(Arguments(*inputs[:-1]), kernel_named(inputs[-1]).problem.learned_alpha)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    given = Arguments(*inputs[:-1])
    ctx.save_for_backward(*given.tensors, *output[1:])
    ctx.others = *given.others, inputs[-1]
    ctx.learned = ctx.needs_input_grad[3]
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, grads: list[Tensor]) -> tuple[Any, ...]:
    tensors, saved = ctx.saved_tensors[:9], list(ctx.saved_tensors[9:])
    found = _attention_saving_backward(grads[0], saved, *tensors, *ctx.others)
    return (*found[:3], found[3] if ctx.learned else None, *(None,) * 14)


attention_saving.register_autograd(_differentiate, setup_context=_keep)

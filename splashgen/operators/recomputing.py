"""Attention that keeps only its inputs: its backward operator computes the forward again."""

from typing import Any

import torch
from torch import Tensor

from splashgen.autocast import without_autocast
from splashgen.features import on_device_of
from splashgen.kernel import Kernel
from splashgen.operators.arguments import SCHEMA, Arguments, empty_outputs
from splashgen.operators.gradients import Gradients, gradients, unset_gradients
from splashgen.strides import aligned

__all__ = ["attention_keeping_nothing", "forward"]


def forward(kernel: Kernel, given: Arguments) -> list[Tensor]:
    """[out, τ, whatever else the kernel keeps]."""
    q, k, v = aligned(given.query), aligned(given.key), aligned(given.value)
    with on_device_of(given.query), without_autocast(given.query):
        out, saved = kernel.forward(q, k, v, given.scale, **given.features())
    return [out, *saved]


def _forward(*inputs: Any) -> tuple[Tensor, Tensor]:
    given = Arguments(*inputs)
    if given.empty:
        return empty_outputs(given)
    out, tau, *_ = forward(given.kernel(training=False, learned=False), given)
    return out, tau


def _backward(dout: Tensor, *inputs: Any) -> Gradients:
    given, learned = Arguments(*inputs[:-1]), inputs[-1]
    if given.empty:
        dq, dk, dv, dalpha = (tensor.zero_() for tensor in unset_gradients(given, learned))
        return dq, dk, dv, dalpha
    kernel = given.kernel(training=True, learned=learned)
    _, *saved = forward(kernel, given)
    return gradients(kernel, dout, given, saved)


attention_keeping_nothing = torch.library.custom_op(
    "splashgen::attention_keeping_nothing",
    _forward,
    mutates_args=(),
    schema=f"({SCHEMA}) -> (Tensor, Tensor)",
)

_attention_recomputing_backward = torch.library.custom_op(
    "splashgen::attention_recomputing_backward",
    _backward,
    mutates_args=(),
    schema=f"(Tensor dout, {SCHEMA}, bool learned) -> (Tensor, Tensor, Tensor, Tensor)",
)


@attention_keeping_nothing.register_fake
def _(*inputs: Any) -> tuple[Tensor, Tensor]:
    return empty_outputs(Arguments(*inputs))


@_attention_recomputing_backward.register_fake
def _(dout: Tensor, *inputs: Any) -> Gradients:
    return unset_gradients(Arguments(*inputs[:-1]), inputs[-1])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    given = Arguments(*inputs)
    ctx.save_for_backward(*given.tensors)
    ctx.others = given.others
    ctx.learned = ctx.needs_input_grad[3]
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, dout: Tensor, dtau: None) -> tuple[Any, ...]:
    found = _attention_recomputing_backward(dout, *ctx.saved_tensors, *ctx.others, ctx.learned)
    return (*found[:3], found[3] if ctx.learned else None, *(None,) * 13)


attention_keeping_nothing.register_autograd(_differentiate, setup_context=_keep)

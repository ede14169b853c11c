"""`splashgen::entmax`: all that its backward operator needs is its output."""

from typing import Any

import torch
from torch import Tensor

from splashgen.alpha import AlphaClass
from splashgen.autocast import without_autocast
from splashgen.dispatch import kernel_for
from splashgen.features import alpha_tensor, dtype_of, on_device_of
from splashgen.kernel import Kernel
from splashgen.problem import Operation, Problem
from splashgen.strides import rows

__all__ = ["entmax_operator"]


@torch.library.custom_op("splashgen::entmax", mutates_args=())
def entmax_operator(x: Tensor, alpha: Tensor | None, alpha_number: float, training: bool = False) -> Tensor:
    """α-entmax of each row of x (rows, n); `training` says which config to take."""
    kernel, arguments = _call(x, alpha, alpha_number, training)
    with on_device_of(x), without_autocast(x):
        y: Tensor = kernel.forward(rows(x), **arguments)[0]
    return y


@torch.library.custom_op("splashgen::entmax_backward", mutates_args=())
def _entmax_backward(dy: Tensor, y: Tensor, alpha: Tensor | None, alpha_number: float) -> Tensor:
    kernel, arguments = _call(y, alpha, alpha_number, training=True)
    assert kernel.backward is not None
    with on_device_of(y), without_autocast(y):
        dx: Tensor = kernel.backward(rows(dy), (y,), **arguments)
    return dx.contiguous()


def _call(
    x: Tensor, alpha: Tensor | None, alpha_number: float, training: bool
) -> tuple[Kernel, dict[str, Tensor]]:
    kind = AlphaClass.GENERIC if alpha is not None else AlphaClass.of(alpha_number)
    problem = Problem(Operation.ENTMAX, kind, dtype_of(x), x.shape[-1], training=training)
    arguments = {}
    if kind is AlphaClass.GENERIC:
        arguments["alpha"] = alpha_tensor(alpha_number if alpha is None else alpha, x)
    return kernel_for(problem, x.device), arguments


@entmax_operator.register_fake
def _(x: Tensor, alpha: Tensor | None, alpha_number: float, training: bool = False) -> Tensor:
    return x.new_empty(x.shape)


@_entmax_backward.register_fake
def _(dy: Tensor, y: Tensor, alpha: Tensor | None, alpha_number: float) -> Tensor:
    return y.new_empty(y.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(output, inputs[1])
    ctx.alpha_number = inputs[2]


def _differentiate(ctx: Any, dy: Tensor) -> tuple[Any, ...]:
    return _entmax_backward(dy, *ctx.saved_tensors, ctx.alpha_number), None, None, None


entmax_operator.register_autograd(_differentiate, setup_context=_keep)

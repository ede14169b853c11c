"""Row-wise α-entmax: `entmax`, `sparsemax` and `entmax15` of any tensor along any dimension."""

import torch
from torch import Tensor

from splashgen.alpha import AlphaClass
from splashgen.autocast import without_autocast
from splashgen.autograd import EntmaxFunction
from splashgen.checks import check_alpha_argument, check_entmax
from splashgen.checks_values import check_values
from splashgen.dispatch import kernel_for, memo
from splashgen.features import alpha_tensor, dtype_of, on_device_of
from splashgen.kernel import Kernel
from splashgen.operators import entmax_operator, needs_operator
from splashgen.problem import Operation, Problem, length_bucket
from splashgen.strides import rows

__all__ = ["entmax", "entmax15", "sparsemax"]


def entmax(x: Tensor, alpha: float | Tensor = 1.5, dim: int = -1) -> Tensor:
    """α-entmax (Peters et al. 2019, eq. 10): like softmax, sums to 1 along `dim`, but with exact zeros.

    Parameters
    ----------
    x : Tensor
        Scores: float16, bfloat16, float32; on the CPU also float64. -inf is allowed and gets 0.
    alpha : float or Tensor
        In [1.0001, 2]; a tensor of one element is read on the device, and checked on a CPU alone.
    dim : int
        Which dimension is normalised.

    Returns
    -------
    Tensor
        Of the shape and dtype of x; differentiable in x.

    Raises
    ------
    TypeError, ValueError, IndexError
        If an argument is none of the above, or α requires a gradient where gradients are recorded.

    Examples
    --------
    >>> import torch, splashgen
    >>> splashgen.entmax(torch.tensor([1.0, 0.9, -3.0]), alpha=2.0)
    tensor([0.5500, 0.4500, 0.0000])
    """
    check_entmax(x, dim)
    if isinstance(alpha, Tensor) and alpha.requires_grad and torch.is_grad_enabled():
        raise ValueError("alpha requires a gradient, which entmax does not compute; pass alpha.detach().")
    check_alpha_argument(alpha, 1, x.device)
    moved = x.movedim(dim, -1)
    if x.numel() == 0:
        return x.clone()
    widened = moved.to(getattr(torch, dtype_of(x).value))
    y = _rowwise(rows(widened.reshape(-1, moved.shape[-1])), alpha)
    return y.to(x.dtype).reshape(moved.shape).movedim(-1, dim)


def sparsemax(x: Tensor, dim: int = -1) -> Tensor:
    """`entmax` with α = 2 (Martins and Astudillo 2016): the Euclidean projection onto the simplex."""
    return entmax(x, 2.0, dim)


def entmax15(x: Tensor, dim: int = -1) -> Tensor:
    """`entmax` with α = 1.5."""
    return entmax(x, 1.5, dim)


def _rowwise(x: Tensor, alpha: float | Tensor) -> Tensor:
    training = torch.is_grad_enabled() and x.requires_grad
    if needs_operator():
        given = (alpha_tensor(alpha, x), 0.0) if isinstance(alpha, Tensor) else (None, float(alpha))
        return entmax_operator(x, *given, training)
    if x.device.type == "cpu":
        check_values((0, 0), alpha, None)
    kind = AlphaClass.GENERIC if isinstance(alpha, Tensor) else AlphaClass.of(float(alpha))
    key = Operation.ENTMAX, kind, x.dtype, length_bucket(x.shape[-1]), training, x.device
    kernel: Kernel | None = memo.get(key)
    if kernel is None:
        problem = Problem(Operation.ENTMAX, kind, dtype_of(x), x.shape[-1], training=training)
        kernel = memo[key] = kernel_for(problem, x.device)
    number = alpha_tensor(alpha, x) if kind is AlphaClass.GENERIC else None
    with on_device_of(x), without_autocast(x):
        if training:
            result: Tensor = EntmaxFunction.apply(kernel, number, x)
        elif number is None:
            result = kernel.forward(x)[0]
        else:
            result = kernel.forward(x, alpha=number)[0]
    return result

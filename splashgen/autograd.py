"""The eager road's autograd: a kernel's forward and backward as one differentiable function each."""

from dataclasses import dataclass
from typing import Any, cast

import torch

from splashgen.autocast import without_autocast
from splashgen.direct import Direct
from splashgen.kernel import Kernel
from splashgen.strides import aligned, rows

__all__ = ["AttentionFunction", "Call", "EntmaxFunction", "ZeroFunction"]


def _refuse_twice() -> None:
    """Gradients are enabled in a backward pass only where it is to be differentiated again."""
    if torch.is_grad_enabled():
        raise RuntimeError(
            "splashgen's kernels cannot be differentiated twice; leave out create_graph=True, or compute "
            "with splashgen.reference, whose results are twice differentiable in all but alpha."
        )


@dataclass(slots=True)
class Call:
    """One call of attention: what autograd need not see goes in one argument, each of which costs time."""

    kernel: Kernel | Direct
    scale: float
    features: dict[str, Any]
    """Passed to the kernel as they are."""
    tau: torch.Tensor | None = None
    """Filled by the forward pass; not differentiable."""

    def take_tau(self) -> torch.Tensor:
        """The threshold, once: what the graph keeps of it is in the hands of autograd."""
        tau, self.tau = cast(torch.Tensor, self.tau), None
        return tau


class AttentionFunction(torch.autograd.Function):
    """(call, α or None, q, k, v) → out; τ is left in the call."""

    @staticmethod
    def forward(
        ctx: Any,
        call: Call,
        alpha: torch.Tensor | None,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
    ) -> torch.Tensor:
        masks: dict[str, torch.Tensor] = {}
        given = call.features
        if given:
            # Where autograd keeps them, it notices a mask that is written to before the backward pass.
            masks = {name: value for name, value in given.items() if isinstance(value, torch.Tensor)}
            call.features = {name: value for name, value in given.items() if name not in masks}
        if alpha is not None:
            given = {**given, "alpha": alpha}
        out, saved = call.kernel.forward(q, k, v, call.scale, **given)
        ctx.save_for_backward(alpha, q, k, v, *masks.values(), *saved)
        ctx.call, ctx.masks = call, tuple(masks)
        call.tau = saved[0]
        result: torch.Tensor = out
        return result

    @staticmethod
    def backward(ctx: Any, dout: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        _refuse_twice()
        alpha, q, k, v, *saved = ctx.saved_tensors
        call, given = ctx.call, ctx.call.features
        if ctx.masks:
            count = len(ctx.masks)
            given = given | dict(zip(ctx.masks, saved[:count], strict=True))
            saved = saved[count:]
        if alpha is not None:
            given = {**given, "alpha": alpha}
        with without_autocast(dout):
            gradients = call.kernel.backward(aligned(dout), q, k, v, call.scale, tuple(saved), **given)
        dalpha = gradients[3] if len(gradients) > 3 else None
        return None, dalpha, gradients[0], gradients[1], gradients[2]


class EntmaxFunction(torch.autograd.Function):
    """(kernel, α or None, x (rows, n)) → y."""

    @staticmethod
    def forward(ctx: Any, kernel: Kernel, alpha: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
        y, saved = kernel.forward(x) if alpha is None else kernel.forward(x, alpha=alpha)
        ctx.save_for_backward(alpha, *saved)
        ctx.kernel = kernel
        result: torch.Tensor = y
        return result

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        _refuse_twice()
        alpha, *saved = ctx.saved_tensors
        given = {} if alpha is None else {"alpha": alpha}
        with without_autocast(dy):
            return None, None, ctx.kernel.backward(rows(dy), tuple(saved), **given)


class ZeroFunction(torch.autograd.Function):
    """Zeros of a shape whose gradients are zeros: attention with no query, no key or no batch."""

    @staticmethod
    def forward(ctx: Any, shape: tuple[int, ...], first: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(first, *others)
        return first.new_zeros(shape)

    @staticmethod
    def backward(ctx: Any, dout: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, *(torch.zeros_like(tensor) for tensor in ctx.saved_tensors)

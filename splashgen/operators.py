"""The operations as `torch.library` operators: what torch.compile, torch.export and torch.func see.

An operator's outputs must have shapes that are known without running it, and what a kernel saves for its
backward pass is its own affair. So the forward operator keeps only its inputs, and the backward one computes
the forward again. Eager mode does not come here.
"""

from typing import Any

import torch
from torch import Tensor

from splashgen.alpha import AlphaClass
from splashgen.dispatch import kernel_for
from splashgen.features import (
    Packed,
    alpha_tensor,
    attention_problem,
    dtype_of,
    feature_arguments,
    on_device_of,
    precise,
)
from splashgen.kernel import Kernel
from splashgen.problem import Operation, Problem
from splashgen.store.entry import Regime
from splashgen.strides import aligned, rows

__all__ = ["attention_operator", "entmax_operator", "needs_operator"]


def needs_operator() -> bool:
    """Whether the call is being traced or transformed, so that eager mode's road does not do.

    Raises
    ------
    RuntimeError
        Inside `torch.func.grad`, `jvp` and their kin; `torch.vmap` is supported.
    """
    if torch.compiler.is_compiling():
        return True
    level = torch._C._functorch.peek_interpreter_stack()
    if level is None:
        return False
    if level.key() != torch._C._functorch.TransformType.Vmap:
        raise RuntimeError(
            "splashgen's kernels cannot be differentiated by torch.func; use torch.autograd.grad."
        )
    return True


@torch.library.custom_op("splashgen::attention", mutates_args=())
def attention_operator(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    alpha: Tensor | None,
    alibi_slopes: Tensor | None,
    key_padding: Tensor | None,
    attn_mask: Tensor | None,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
    alpha_number: float,
    scale: float,
    causal: bool,
    window_left: int,
    window_right: int,
    max_seqlen_q: int,
    max_seqlen_k: int,
    regime: str,
) -> tuple[Tensor, Tensor]:
    """(out, τ) of checked arguments; `alpha` is None where `alpha_number` says it."""
    given = locals()
    if query.numel() == 0 or key.numel() == 0:
        return _empty_outputs(query, value, packed=cu_seqlens_q is not None)
    kernel, arguments = _attention_call(given, training=False)
    with on_device_of(query):
        out, saved = kernel.forward(aligned(query), aligned(key), aligned(value), scale, **arguments)
    return out, saved[0]


@torch.library.custom_op("splashgen::attention_backward", mutates_args=())
def _attention_backward(
    dout: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    alpha: Tensor | None,
    alibi_slopes: Tensor | None,
    key_padding: Tensor | None,
    attn_mask: Tensor | None,
    cu_seqlens_q: Tensor | None,
    cu_seqlens_k: Tensor | None,
    alpha_number: float,
    scale: float,
    causal: bool,
    window_left: int,
    window_right: int,
    max_seqlen_q: int,
    max_seqlen_k: int,
    regime: str,
    learned: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of query, key, value and α; the last is empty unless α is learned."""
    given = locals()
    if query.numel() == 0 or key.numel() == 0:
        dalpha = query.new_zeros(alpha.numel() if learned and alpha is not None else 0, dtype=precise(query))
        return torch.zeros_like(query), torch.zeros_like(key), torch.zeros_like(value), dalpha
    kernel, arguments = _attention_call(given, training=True)
    assert kernel.backward is not None
    q, k, v = aligned(query), aligned(key), aligned(value)
    with on_device_of(query):
        _, saved = kernel.forward(q, k, v, scale, **arguments)
        gradients = kernel.backward(aligned(dout), q, k, v, scale, saved, **arguments)
    dq, dk, dv = (gradient.contiguous() for gradient in gradients[:3])
    return dq, dk, dv, gradients[3] if learned else query.new_empty(0, dtype=precise(query))


def _empty_outputs(query: Tensor, value: Tensor, packed: bool) -> tuple[Tensor, Tensor]:
    """Zeros, and a τ of +inf."""
    rows_of = (query.shape[1], query.shape[0]) if packed else query.shape[:3]
    tau = query.new_full(rows_of, float("inf"), dtype=precise(query))
    return query.new_zeros((*query.shape[:-1], value.shape[-1])), tau


def _attention_call(given: dict[str, Any], training: bool) -> tuple[Kernel, dict[str, Any]]:
    """The kernel for an operator's arguments, and the features it takes."""
    query, key, value, alpha = given["query"], given["key"], given["value"], given["alpha"]
    kind = AlphaClass.GENERIC if alpha is not None else AlphaClass.of(given["alpha_number"])
    packed: Packed | None = None
    if given["cu_seqlens_q"] is not None:
        packed = given["cu_seqlens_q"], given["cu_seqlens_k"], given["max_seqlen_q"], given["max_seqlen_k"]
    window_size = given["window_left"], given["window_right"]
    masks = {name: given[name] for name in ("alibi_slopes", "key_padding", "attn_mask")}
    problem = attention_problem(
        query,
        key,
        value,
        kind,
        training=training,
        causal=given["causal"],
        window_size=window_size,
        alibi=masks["alibi_slopes"] is not None,
        key_padding=masks["key_padding"] is not None,
        attn_mask=masks["attn_mask"] is not None,
        packed=packed,
        learned_alpha=given.get("learned", False),
    )
    shape = (0, 0, 0, 0) if packed else (*query.shape[:3], key.shape[2])
    features = feature_arguments(shape, window_size, **masks, packed=packed)
    if kind is AlphaClass.GENERIC:
        features["alpha"] = alpha_tensor(given["alpha_number"] if alpha is None else alpha, query)
    return kernel_for(problem, query.device, Regime(given["regime"])), features


@attention_operator.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    return _empty_outputs(query, value, packed=others[4] is not None)


@_attention_backward.register_fake
def _(
    dout: Tensor, query: Tensor, key: Tensor, value: Tensor, alpha: Tensor | None, *others: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    learned = others[-1]
    size = alpha.numel() if learned and alpha is not None else 0
    dq, dk, dv = (tensor.new_empty(tensor.shape) for tensor in (query, key, value))
    return dq, dk, dv, query.new_empty(size, dtype=precise(query))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:9])
    ctx.others = inputs[9:]
    ctx.learned = ctx.needs_input_grad[3]


def _differentiate(ctx: Any, dout: Tensor, dtau: Tensor) -> tuple[Any, ...]:
    gradients = _attention_backward(dout, *ctx.saved_tensors, *ctx.others, ctx.learned)
    dalpha = gradients[3] if ctx.learned else None
    return (*gradients[:3], dalpha, *(None,) * 13)


attention_operator.register_autograd(_differentiate, setup_context=_keep)


@torch.library.custom_op("splashgen::entmax", mutates_args=())
def entmax_operator(x: Tensor, alpha: Tensor | None, alpha_number: float) -> Tensor:
    """α-entmax of each row of x (rows, n)."""
    kernel, arguments = _entmax_call(x, alpha, alpha_number, training=False)
    with on_device_of(x):
        y: Tensor = kernel.forward(rows(x), **arguments)[0]
    return y


@torch.library.custom_op("splashgen::entmax_backward", mutates_args=())
def _entmax_backward(dy: Tensor, x: Tensor, alpha: Tensor | None, alpha_number: float) -> Tensor:
    kernel, arguments = _entmax_call(x, alpha, alpha_number, training=True)
    assert kernel.backward is not None
    with on_device_of(x):
        _, saved = kernel.forward(rows(x), **arguments)
        dx: Tensor = kernel.backward(rows(dy), saved, **arguments)
    return dx.contiguous()


def _entmax_call(
    x: Tensor, alpha: Tensor | None, alpha_number: float, training: bool
) -> tuple[Kernel, dict[str, Tensor]]:
    kind = AlphaClass.GENERIC if alpha is not None else AlphaClass.of(alpha_number)
    problem = Problem(Operation.ENTMAX, kind, dtype_of(x), x.shape[-1], training=training)
    arguments = {}
    if kind is AlphaClass.GENERIC:
        arguments["alpha"] = alpha_tensor(alpha_number if alpha is None else alpha, x)
    return kernel_for(problem, x.device), arguments


@entmax_operator.register_fake
def _(x: Tensor, alpha: Tensor | None, alpha_number: float) -> Tensor:
    return x.new_empty(x.shape)


@_entmax_backward.register_fake
def _(dy: Tensor, x: Tensor, alpha: Tensor | None, alpha_number: float) -> Tensor:
    return x.new_empty(x.shape)


def _keep_entmax(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:2])
    ctx.alpha_number = inputs[2]


def _differentiate_entmax(ctx: Any, dy: Tensor) -> tuple[Any, ...]:
    return _entmax_backward(dy, *ctx.saved_tensors, ctx.alpha_number), None, None


entmax_operator.register_autograd(_differentiate_entmax, setup_context=_keep_entmax)

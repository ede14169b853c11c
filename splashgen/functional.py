"""The public functions. After the first call with some shapes, a call is a look-up and a launch."""

from typing import Any, cast

import torch
from torch import Tensor

from splashgen.ahead import compile_ahead
from splashgen.autograd import AttentionFunction, Call, ZeroFunction
from splashgen.dispatch import memo
from splashgen.features import Packed, alpha_tensor, feature_arguments, on_device_of, precise
from splashgen.operators import attention_operator, needs_operator, tables
from splashgen.plans import Masks, Options, Plan, check, plan_for, settle, signature
from splashgen.rowwise import entmax, entmax15, sparsemax
from splashgen.strides import aligned
from splashgen.support import support_size

__all__ = ["attention", "attention_varlen", "entmax", "entmax15", "sparsemax"]

_MOST_PLANS = 8192


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    alpha: float | Tensor = 1.5,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    alibi_slopes: Tensor | None = None,
    key_padding: Tensor | None = None,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    sparsity: str | None = None,
    return_tau: bool = False,
    return_support: bool = False,
) -> Any:
    """Exact α-entmax attention: softmax attention with softmax replaced by α-entmax, which has exact zeros.

    The arguments are those of `torch.nn.functional.scaled_dot_product_attention`, and flash-attn's for
    windows and ALiBi. Causal masks are aligned to the bottom right (query i sees key j if j ≤ i + n_k - n_q),
    as in flash-attn; SDPA aligns them to the top left, which differs where n_q ≠ n_k. All masks compose.
    A query that sees no key gets exactly zero, and so do its gradients.

    Parameters
    ----------
    query : Tensor (batch, heads, n_q, head_dim)
        float16, bfloat16, float32; on the CPU also float64. Strides are free.
    key : Tensor (batch, kv_heads, n_k, head_dim)
    value : Tensor (batch, kv_heads, n_k, value_dim)
    alpha : float or Tensor
        In (1, 2]: the larger, the sparser. A tensor, one value or one a head, is read on the device (its
        values are not checked) and may require a gradient; annealing one never recompiles.
    is_causal : bool
        Whether queries see only keys at or before them.
    scale : float, optional
        Of the scores; 1/√head_dim if left out.
    enable_gqa : bool
        Allow fewer key heads than query heads.
    window_size : (int, int)
        How many keys to the left and right of its own position a query sees; -1 is unlimited.
    alibi_slopes : Tensor (heads,) or (batch, heads), optional
        Adds -slope·|i + n_k - n_q - j| to the scores.
    key_padding : Tensor, optional
        Bool (batch, n_k), True where a key exists, or integer lengths (batch,).
    attn_mask : Tensor, optional
        Bool, broadcastable to (batch, heads, n_q, n_k), True where a score exists.
    dropout_p : float
        Must be 0.
    sparsity : str, optional
        `dense`, `mixed` or `sparse`: what the caller expects of the support. It chooses among tuned configs
        and never changes the result.
    return_tau : bool
        Also return the threshold.
    return_support : bool
        Also return how many keys each query attends to. For inspection: it costs one more dense product of
        queries and keys, and a key whose score is within rounding of τ may count either way.

    Returns
    -------
    Tensor (batch, heads, n_q, value_dim)
        In the dtype of query.
    Tensor (batch, heads, n_q)
        If `return_tau`: τ in units of (α-1)·score, float32 or float64, +inf for a query that sees no key; not
        differentiable.
    Tensor (batch, heads, n_q)
        If `return_support`, after τ if both are returned: int32, the number of keys whose probability is not
        zero.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of the above; the message says what to do.

    Examples
    --------
    >>> import torch, splashgen
    >>> q, k, v = torch.randn(3, 1, 2, 128, 64).unbind()
    >>> splashgen.attention(q, k, v, is_causal=True).shape
    torch.Size([1, 2, 128, 64])
    """
    options = is_causal, scale, enable_gqa, window_size, dropout_p, sparsity
    masks = alibi_slopes, key_padding, attn_mask
    return _attend(query, key, value, alpha, options, masks, None, return_tau, return_support)


def attention_varlen(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    cu_seqlens_q: Tensor,
    cu_seqlens_k: Tensor,
    max_seqlen_q: int,
    max_seqlen_k: int,
    *,
    alpha: float | Tensor = 1.5,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    window_size: tuple[int, int] = (-1, -1),
    alibi_slopes: Tensor | None = None,
    dropout_p: float = 0.0,
    sparsity: str | None = None,
    return_tau: bool = False,
    return_support: bool = False,
) -> Any:
    """`attention` for sequences of different lengths packed one after the other.

    The arguments are those of flash-attn's `flash_attn_varlen_func`.

    Parameters
    ----------
    q : Tensor (total_q, heads, head_dim)
    k : Tensor (total_k, kv_heads, head_dim)
    v : Tensor (total_k, kv_heads, value_dim)
    cu_seqlens_q, cu_seqlens_k : Tensor (batch + 1,)
        int32, where each sequence begins, and the total; read on the device.
    max_seqlen_q, max_seqlen_k : int
        At least the longest sequence.

    The others are those of `attention`.

    Returns
    -------
    Tensor (total_q, heads, value_dim)
    Tensor (heads, total_q)
        τ, if `return_tau`.
    Tensor (heads, total_q)
        The support sizes, if `return_support`, for which the offsets are read on the host.
    """
    options = is_causal, scale, enable_gqa, window_size, dropout_p, sparsity
    packed = cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k
    return _attend(q, k, v, alpha, options, (alibi_slopes, None, None), packed, return_tau, return_support)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    alpha: float | Tensor,
    options: Options,
    masks: Masks,
    packed: Packed | None,
    return_tau: bool,
    return_support: bool,
) -> Any:
    if torch._C._is_any_autocast_enabled():
        query, key, value = _autocast(query, key, value)
    if needs_operator():
        out, tau = _through_operator(query, key, value, alpha, options, masks, packed)
    else:
        plan, new = _planned(query, key, value, alpha, options, masks, packed)
        out, tau = _run(plan, query, key, value, alpha, masks, packed, new)
    if not return_support:
        return (out, tau) if return_tau else out
    causal, scale, window_size = settle(options, query.shape[-1])
    support = support_size(query, key, tau, alpha, scale, causal, window_size, *masks, packed)
    return (out, tau, support) if return_tau else (out, support)


def _planned(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    alpha: float | Tensor,
    options: Options,
    masks: Masks,
    packed: Packed | None,
) -> tuple[Plan, bool]:
    """The plan of an earlier call with arguments like these, else a new one; whether it is new."""
    name, training = None, False
    try:
        training = torch.is_grad_enabled() and (
            query.requires_grad
            or key.requires_grad
            or value.requires_grad
            or (isinstance(alpha, Tensor) and alpha.requires_grad)
        )
        name = signature(query, key, value, alpha, options, masks, packed, training)
        plan = memo.get(name)
    except (AttributeError, TypeError):  # something is no tensor or has no hash: the checks tell
        plan = None
    new = plan is None
    if plan is None:
        plan = plan_for(query, key, value, alpha, options, masks, packed, training)
        if len(memo) >= _MOST_PLANS:
            memo.clear()
        if name is not None:
            memo[name] = plan
    return plan, new


def _autocast(*tensors: Any) -> Any:
    """The tensors in autocast's dtype; what cannot be cast is left to the checks."""
    kind = tensors[0].device.type if isinstance(tensors[0], Tensor) else "meta"
    if kind not in ("cpu", "cuda") or not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    castable = [
        isinstance(one, Tensor) and one.is_floating_point() and one.dtype != torch.float64 for one in tensors
    ]
    return tuple(one.to(dtype) if cast else one for one, cast in zip(tensors, castable, strict=True))


def _run(
    plan: Plan,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    alpha: float | Tensor,
    masks: Masks,
    packed: Packed | None,
    new: bool,
) -> tuple[Tensor, Tensor]:
    if plan.kernel is None:
        return _nothing(query, key, value, packed)
    dtype = query.dtype
    if plan.widened:
        query, key, value = query.float(), key.float(), value.float()
    number = alpha_tensor(alpha, query) if plan.generic else None
    features: dict[str, Any] = {}
    if not plan.plain:
        shape = (0, 0, 0, 0) if packed else (*query.shape[:3], key.shape[2])
        features = feature_arguments(cast(Any, shape), plan.window_size, *masks, packed=packed)
    query, key, value = aligned(query), aligned(key), aligned(value)
    with on_device_of(query):
        if new:
            given = features if number is None else {**features, "alpha": number}
            compile_ahead(plan.kernel, (query, key, value), given)
        if plan.training:
            call = Call(plan.kernel, plan.scale, features)
            out = cast(Tensor, AttentionFunction.apply(call, number, query, key, value))
            tau = cast(Tensor, call.tau)
        else:
            if number is not None:
                features["alpha"] = number
            out, (tau, *_) = plan.kernel.forward(query, key, value, plan.scale, **features)
    return (out.to(dtype) if plan.widened else out), tau


def _nothing(query: Tensor, key: Tensor, value: Tensor, packed: Packed | None) -> tuple[Tensor, Tensor]:
    out = ZeroFunction.apply((*query.shape[:-1], value.shape[-1]), query, key, value)
    rows_of = (query.shape[1], query.shape[0]) if packed else query.shape[:3]
    return out, torch.full(rows_of, float("inf"), dtype=precise(query), device=query.device)


def _through_operator(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    alpha: float | Tensor,
    options: Options,
    masks: Masks,
    packed: Packed | None,
) -> tuple[Tensor, Tensor]:
    check(query, key, value, alpha, options, masks, packed)
    causal, scale, window_size = settle(options, query.shape[-1])
    tensor, number = (alpha, 0.0) if isinstance(alpha, Tensor) else (None, float(alpha))
    if tensor is not None:
        tensor = alpha_tensor(tensor, query)
    dtype = query.dtype
    if query.device.type == "cpu" and dtype in (torch.float16, torch.bfloat16):
        query, key, value = query.float(), key.float(), value.float()
    offsets = packed if packed is not None else (None, None, 0, 0)
    out, tau = attention_operator(
        query, key, value, tensor, *masks, *offsets[:2],
        number, scale, causal, *window_size, *offsets[2:], options[5] or "mixed",
        tables() if torch.compiler.is_compiling() else "",
    )  # fmt: skip
    return out.to(dtype), tau

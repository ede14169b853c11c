"""`Plan`: what an attention call with arguments of some shapes comes down to, once they are checked."""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from splashgen.alpha import AlphaClass
from splashgen.batches import crowded, launchable
from splashgen.checks import (
    check_alpha_argument,
    check_attention,
    check_varlen,
)
from splashgen.checks_options import check_masks, check_options, regime_of
from splashgen.direct import Direct, is_direct
from splashgen.dispatch import kernel_for
from splashgen.features import attention_problem, dtype_of
from splashgen.kernel import Kernel
from splashgen.problem import length_bucket
from splashgen.request import Arguments, Options, Request

__all__ = ["Plan", "check", "plan_for", "settle", "signature"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A kernel and the numbers it is called with."""

    kernel: Kernel | None
    """None: there is nothing to compute."""
    scale: float
    window_size: tuple[int, int]
    generic: bool
    """Whether the kernel reads α at run time."""
    training: bool
    widened: bool
    """Whether the kernel computes in a wider dtype than the inputs have."""
    plain: bool
    """Whether the kernel has no features besides α."""
    crowded: bool
    """Whether the batch is computed in parts."""
    looks: bool
    """Whether values of the tensors are checked at each call: on a CPU, where that waits for no device."""
    directs: dict[Any, Direct] | None
    """By the `likeness` of the tensors; None where launches cannot be repeated."""


def signature(arguments: Arguments, training: bool) -> tuple[Any, ...]:
    """All that a plan and its checks depend on, and nothing that each batch of packed sequences changes."""
    query, key, value, alpha, options, masks, packed = arguments
    if packed is None:
        shapes: tuple[Any, ...] = query.shape, key.shape, value.shape
    else:
        longest = length_bucket(max(packed[2:]))
        agree = key.shape[0] == value.shape[0]
        empty = query.shape[0] == 0, key.shape[0] == 0
        shapes = query.shape[1:], key.shape[1:], value.shape[1:], longest, min(packed[2:]) < 0, agree, empty
        shapes += _facts(packed[0])[1:], _facts(packed[1])[1:], packed[0].shape == packed[1].shape
        sequences, slopes = packed[0].shape[0] - 1, masks[0]
        suit = slopes is None or slopes.dim() < 2 or slopes.shape[0] == sequences
        shapes += sequences >= 0, launchable(query, sequences), suit, type(packed[2]), type(packed[3])
    return (
        shapes,
        query.dtype,
        key.dtype,
        value.dtype,
        query.device,
        key.device,
        value.device,
        query.layout,
        key.layout,
        value.layout,
        alpha if type(alpha) is float else _facts(alpha),
        options,
        None if masks[0] is None and masks[1] is None and masks[2] is None else tuple(map(_facts, masks)),
        training,
    )


def _facts(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.shape, value.dtype, value.device, value.requires_grad
    return type(value), value


def check(request: Request) -> None:
    """Refuse what cannot be computed, with `TypeError` or `ValueError`."""
    query, key, value, alpha, options, masks, packed = request
    if packed is None:
        check_attention(query, key, value, options.enable_gqa)
        shape = query.shape[0], query.shape[1], query.shape[2], key.shape[2]
    else:
        names = ("cu_seqlens_q", "cu_seqlens_k"), ("max_seqlen_q", "max_seqlen_k")
        offsets = dict(zip(names[0], packed[:2], strict=True))
        longest = dict(zip(names[1], packed[2:], strict=True))
        check_varlen(query, key, value, offsets, longest, options.enable_gqa)
        shape = packed[0].shape[0] - 1, query.shape[1], 0, 0
    check_options(options)
    check_alpha_argument(alpha, query.shape[1], query.device)
    check_masks(shape, query.device, *masks)


def settle(options: Options, head_dim: int) -> tuple[bool, float, tuple[int, int]]:
    """(causal, scale, window_size); a window that ends at the query is a causal mask."""
    scale, (left, right) = options.scale, options.window_size
    causal = options.is_causal or right == 0
    window = (-1, -1) if causal and left == -1 else (left, 0 if causal else right)
    return causal, 1.0 / math.sqrt(head_dim) if scale is None else float(scale), window


def plan_for(request: Request, training: bool) -> Plan:
    """Check the arguments and find the kernel for them."""
    check(request)
    query, key, value, alpha, options, masks, packed = request
    regime = regime_of(options.sparsity)
    causal, scale, window_size = settle(options, query.shape[-1])
    learned = isinstance(alpha, Tensor) and alpha.requires_grad and training
    kind = AlphaClass.GENERIC if isinstance(alpha, Tensor) else AlphaClass.of(float(alpha))
    present = [mask is not None for mask in masks]
    problem = attention_problem(
        query,
        key,
        value,
        kind,
        training=training,
        causal=causal,
        window_size=window_size,
        alibi=present[0],
        key_padding=present[1],
        attn_mask=present[2],
        packed=packed,
        learned_alpha=learned,
    )
    kernel = None if query.numel() == 0 or key.numel() == 0 else kernel_for(problem, query.device, regime)
    return Plan(
        kernel=kernel,
        scale=scale,
        window_size=window_size,
        generic=kind is AlphaClass.GENERIC,
        training=training,
        widened=dtype_of(query).value != str(query.dtype).removeprefix("torch."),
        plain=packed is None and window_size == (-1, -1) and not any(present),
        crowded=crowded(request),
        looks=query.device.type == "cpu" and (packed is not None or isinstance(alpha, Tensor)),
        directs={} if kernel is not None and packed is None and is_direct(kernel, query.device) else None,
    )

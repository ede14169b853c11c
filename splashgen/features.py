"""The arguments of attention as the kernels want them: a `Problem`, and the features that it has."""

import contextlib
from typing import Any

import torch

from splashgen.alpha import AlphaClass
from splashgen.problem import DType, Operation, Problem

__all__ = [
    "alpha_tensor",
    "attention_problem",
    "dtype_of",
    "feature_arguments",
    "is_elsewhere",
    "on_device_of",
    "padding_mask",
    "precise",
    "tau_of_nothing",
]

_DTYPES = {
    torch.float16: DType.FLOAT16,
    torch.bfloat16: DType.BFLOAT16,
    torch.float32: DType.FLOAT32,
    torch.float64: DType.FLOAT64,
}

Packed = tuple[torch.Tensor, torch.Tensor, int, int]
"""cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k."""


def dtype_of(tensor: torch.Tensor) -> DType:
    """The dtype that a kernel computes a tensor in: halves have kernels on GPUs only."""
    if tensor.device.type == "cpu" and tensor.dtype in (torch.float16, torch.bfloat16):
        return DType.FLOAT32
    return _DTYPES[tensor.dtype]


def attention_problem(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    alpha: AlphaClass,
    *,
    training: bool,
    causal: bool,
    window_size: tuple[int, int],
    alibi: bool = False,
    key_padding: bool = False,
    attn_mask: bool = False,
    packed: Packed | None = None,
    learned_alpha: bool = False,
) -> Problem:
    """The problem that these arguments pose; the tensors' values do not matter."""
    longest = max(packed[2:]) if packed else max(query.shape[-2], key.shape[-2])
    return Problem(
        operation=Operation.ATTENTION,
        alpha=alpha,
        dtype=dtype_of(query),
        seq_len=longest,
        head_dim=query.shape[-1],
        value_dim=value.shape[-1],
        training=training,
        causal=causal,
        window=window_size != (-1, -1),
        alibi=alibi,
        key_padding=key_padding,
        attn_mask=attn_mask,
        varlen=packed is not None,
        grouped=query.shape[1] != key.shape[1],
        learned_alpha=learned_alpha and training,
    )


def feature_arguments(
    shape: tuple[int, int, int, int],
    window_size: tuple[int, int],
    alibi_slopes: torch.Tensor | None = None,
    key_padding: torch.Tensor | None = None,
    attn_mask: torch.Tensor | None = None,
    packed: Packed | None = None,
    *,
    precision: torch.dtype = torch.float32,
) -> dict[str, Any]:
    """The keyword arguments of a kernel's `forward` and `backward`, α aside.

    Kernels know the strides of slopes and masks; padding and offsets they read one after the other.

    Parameters
    ----------
    shape : tuple of int
        (batch, heads, n_q, n_k); of no meaning where `packed` is given.
    precision : torch.dtype
        Of the slopes: `precise` of the query.
    """
    features: dict[str, Any] = {}
    if window_size != (-1, -1):
        features["window_left"], features["window_right"] = window_size
    if alibi_slopes is not None:
        features["alibi_slopes"] = alibi_slopes.to(precision)
    if key_padding is not None:
        features["key_padding"] = padding_mask(key_padding, shape[3])
    if attn_mask is not None:
        features["attn_mask"] = attn_mask.expand(shape)
    if packed is not None:
        names = ("cu_seqlens_q", "cu_seqlens_k", "max_seqlen_q", "max_seqlen_k")
        q_begins, k_begins, *longest = packed
        features.update(zip(names, (q_begins.contiguous(), k_begins.contiguous(), *longest), strict=True))
    return features


def padding_mask(key_padding: torch.Tensor, length: int) -> torch.Tensor:
    """Bool (batch, length), True where a key exists, from itself or from integer lengths (batch,)."""
    if key_padding.dtype == torch.bool:
        return key_padding.contiguous()
    positions = torch.arange(length, device=key_padding.device)
    return positions < key_padding.unsqueeze(1)


def precise(tensor: torch.Tensor) -> torch.dtype:
    """The dtype of τ, α and slopes beside a tensor: float32, and float64 beside float64."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def tau_of_nothing(query: torch.Tensor, packed: bool) -> torch.Tensor:
    """τ of queries that see no key, (batch, heads, n_q) or (heads, total_q): +inf."""
    rows_of = (query.shape[1], query.shape[0]) if packed else query.shape[:3]
    return query.new_full(rows_of, float("inf"), dtype=precise(query))


def alpha_tensor(alpha: float | torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
    """(1,) or (heads,), contiguous, as precise as a kernel for the tensor `beside` it takes.

    It is never read on the host.
    """
    if isinstance(alpha, torch.Tensor):
        return alpha.to(precise(beside)).reshape(-1).contiguous()
    return torch.full((1,), alpha, dtype=precise(beside), device=beside.device)


_HERE = contextlib.nullcontext()
# Without asking whether the driver was started: where there is a tensor on a GPU, it was.
_current_device = getattr(torch._C, "_cuda_getDevice", torch.cuda.current_device)


def is_elsewhere(tensor: torch.Tensor) -> bool:
    """Whether kernels would not launch on the tensor's device, because another one is the current."""
    return tensor.is_cuda and tensor.get_device() != _current_device()


def on_device_of(tensor: torch.Tensor) -> Any:
    """A context in which kernels launch on the tensor's device."""
    return torch.cuda.device(tensor.device) if is_elsewhere(tensor) else _HERE

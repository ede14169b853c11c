"""What the public functions refuse, each with a sentence that says what to do instead.

Nothing here looks at the values of a tensor: that would wait for the device.
"""

import torch

from splashgen.alpha import check_alpha
from splashgen.problem import MAX_HEAD_DIM

__all__ = [
    "check_alpha_argument",
    "check_attention",
    "check_entmax",
    "check_varlen",
    "told",
]

_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_alpha_argument(alpha: object, heads: int, device: torch.device) -> None:
    """α: a number in [1.0001, 2], or a floating tensor, one value or one a head, on the query's device."""
    if not isinstance(alpha, torch.Tensor):
        check_alpha(alpha)  # type: ignore[arg-type]
        return
    if not alpha.is_floating_point():
        raise TypeError(f"alpha must be a floating-point tensor, but has dtype {alpha.dtype}.")
    if tuple(alpha.shape) not in ((), (1,), (heads,)):
        allowed = "(), (1,)" if heads == 1 else f"(), (1,) or ({heads},), one value a head"
        raise ValueError(f"alpha has shape {tuple(alpha.shape)}, but must have shape {allowed}.")
    if alpha.device != device:
        raise ValueError(
            f"alpha is on {alpha.device}, but the input is on {device}; move it there with alpha.to()."
        )


def check_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, enable_gqa: bool) -> None:
    """Three tensors (batch, heads, seq, head_dim) that go together."""
    _check_tensors(query, key, value, 4, "(batch, heads, seq, head_dim)")
    for name, tensor in (("key", key), ("value", value)):
        if tensor.shape[0] != query.shape[0]:
            raise ValueError(
                f"{name} has batch size {tensor.shape[0]}, but query has {query.shape[0]}; make them equal."
            )
    if key.shape[2] != value.shape[2]:
        raise ValueError(
            f"key has length {key.shape[2]}, but value has {value.shape[2]}; they must be equal."
        )
    _check_heads(query, key, value, enable_gqa)


def check_varlen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cumulative: dict[str, torch.Tensor],
    longest: dict[str, int],
    enable_gqa: bool,
) -> None:
    """Three packed tensors (total, heads, head_dim) and where their sequences begin."""
    _check_tensors(query, key, value, 3, "(total, heads, head_dim)")
    if key.shape[0] != value.shape[0]:
        raise ValueError(f"key has {key.shape[0]} rows, but value has {value.shape[0]}; they must be equal.")
    _check_heads(query, key, value, enable_gqa)
    for name, offsets in cumulative.items():
        if not isinstance(offsets, torch.Tensor) or offsets.dtype != torch.int32 or offsets.dim() != 1:
            raise TypeError(
                f"{name} must be an int32 tensor (batch + 1,), but is {told(offsets)}; .int() makes one."
            )
        if offsets.numel() < 1:
            raise ValueError(f"{name} must begin with 0, but is empty.")
        if offsets.device != query.device:
            raise ValueError(f"{name} is on {offsets.device}, but query is on {query.device}; move it there.")
    sizes = {offsets.numel() for offsets in cumulative.values()}
    if len(sizes) > 1:
        raise ValueError(
            f"{' and '.join(cumulative)} must have equally many elements, but have {sorted(sizes)}."
        )
    for name, length in longest.items():
        if isinstance(length, bool) or not isinstance(length, (int, torch.SymInt)):
            raise TypeError(f"{name} must be a non-negative int, but is {told(length)}; int() makes one.")
        # A compiled call may have read it from the device, and not know it.
        if not torch.compiler.is_compiling() and length < 0:
            raise ValueError(f"{name} must be a non-negative int, but is {length!r}.")


def check_entmax(x: torch.Tensor, dim: int) -> None:
    """A floating-point tensor that has the dimension `dim`."""
    _check_floating("x", x)
    if x.dim() == 0:
        raise ValueError(
            "x has no dimension, but entmax normalises one; pass x.reshape(1) for a single score."
        )
    if isinstance(dim, bool) or not isinstance(dim, int) or not -x.dim() <= dim < x.dim():
        raise IndexError(
            f"dim is {dim!r}, but x has {x.dim()} dimensions; it must be in [{-x.dim()}, {x.dim() - 1}]."
        )


def _check_tensors(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rank: int, layout: str
) -> None:
    for name, tensor in (("query", query), ("key", key), ("value", value)):
        _check_floating(name, tensor)
        if tensor.dim() != rank:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}, but must have {rank} dimensions {layout}."
            )
        if tensor.dtype != query.dtype:
            raise TypeError(
                f"{name} has dtype {tensor.dtype}, but query has {query.dtype}; cast one of them."
            )
        if tensor.device != query.device:
            raise ValueError(
                f"{name} is on {tensor.device}, but query is on {query.device}; move one of them."
            )


def _check_heads(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, enable_gqa: bool) -> None:
    if key.shape[-1] != query.shape[-1]:
        raise ValueError(
            f"key has head dim {key.shape[-1]}, but query has {query.shape[-1]}; they must be equal "
            "(value's may differ)."
        )
    for name, width in (("query", query.shape[-1]), ("value", value.shape[-1])):
        if not 1 <= width <= MAX_HEAD_DIM:
            raise ValueError(f"{name} has head dim {width}, but it must be between 1 and {MAX_HEAD_DIM}.")
    heads, kv_heads = query.shape[1], key.shape[1]
    if value.shape[1] != kv_heads:
        raise ValueError(f"key has {kv_heads} heads, but value has {value.shape[1]}; they must be equal.")
    if heads != kv_heads and not enable_gqa:
        raise ValueError(
            f"query has {heads} heads, but key has {kv_heads}; pass enable_gqa=True if groups of query heads "
            "share one."
        )
    if heads != kv_heads and (kv_heads == 0 or heads % kv_heads):
        raise ValueError(f"query has {heads} heads, which is no multiple of the {kv_heads} key heads.")


def _check_floating(name: str, tensor: torch.Tensor) -> None:
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, but is {told(tensor)}.")
    if tensor.dtype not in _DTYPES:
        allowed = ", ".join(str(dtype).removeprefix("torch.") for dtype in _DTYPES)
        raise TypeError(f"{name} has dtype {tensor.dtype}, but must be one of {allowed}.")
    if tensor.device.type not in ("cpu", "cuda"):
        raise ValueError(f"{name} is on {tensor.device}, but must be on a CUDA or ROCm GPU or on the CPU.")
    if tensor.layout != torch.strided:
        raise ValueError(f"{name} has layout {tensor.layout}, but must be dense; call {name}.to_dense().")


def told(value: object) -> str:
    """How an argument is named in a message."""
    if isinstance(value, torch.Tensor):
        return f"a {value.dtype} tensor of shape {tuple(value.shape)}"
    return f"{value!r} of type {type(value).__name__}"

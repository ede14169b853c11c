"""The public functions. After the first call with some shapes, a call is a look-up and a launch."""

from typing import Any

from torch import Tensor

from splashgen.attend import attend
from splashgen.rowwise import entmax, entmax15, sparsemax

__all__ = ["attention", "attention_varlen", "entmax", "entmax15", "sparsemax"]


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
        float16, bfloat16, float32; on the CPU also float64. Strides are free, as every tensor's are.
    key : Tensor (batch, kv_heads, n_k, head_dim)
    value : Tensor (batch, kv_heads, n_k, value_dim)
    alpha : float or Tensor
        In [1.0001, 2]: the larger, the sparser. A tensor, one value or one a head, is read on the device and
        may require a gradient; annealing one never recompiles. Its values are checked on a CPU alone. Near 1
        rows sum to 1 within about 5e-8/(α-1) only, and at 1 there is no result.
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
    return attend((query, key, value, alpha, options, masks, None), return_tau, return_support)


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

    The first seven arguments are those of flash-attn's `flash_attn_varlen_func`; then come those of
    `attention`, by name: `is_causal` and `scale` where flash-attn says `causal` and `softmax_scale`.

    Parameters
    ----------
    q : Tensor (total_q, heads, head_dim)
    k : Tensor (total_k, kv_heads, head_dim)
    v : Tensor (total_k, kv_heads, value_dim)
    cu_seqlens_q, cu_seqlens_k : Tensor (batch + 1,)
        int32, rising from 0, where each sequence begins, to the total; read on the device, and checked on a
        CPU alone: on a GPU rows beyond the last sequence stay unwritten.
    max_seqlen_q, max_seqlen_k : int
        At least the longest sequence, which is checked on a CPU alone as well.

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
    return attend((q, k, v, alpha, options, (alibi_slopes, None, None), packed), return_tau, return_support)

"""Inputs without memory: what an operation's kernels are called with, as tensors on torch's meta device."""

from typing import TYPE_CHECKING, Any

from splashgen.cases import Inputs
from splashgen.problem import Operation, Problem

if TYPE_CHECKING:
    import torch

__all__ = ["meta_inputs"]

_LENGTH = 4096
"""Where the problem leaves the length open; kernels do not depend on it."""


def meta_inputs(problem: Problem) -> Inputs:
    """What `splashgen.cases` draws for this problem's timings on a GPU, without the values.

    Names, shapes, strides and dtypes are the same, so Triton's specialisation is too. (To draw and then drop
    the values would be simpler, but takes longer than a compilation.)
    """
    return _MAKERS[problem.operation](problem, problem.seq_len or _LENGTH)


def _empty(*shape: int, dtype: str) -> "torch.Tensor":
    import torch

    return torch.empty(shape, dtype=getattr(torch, dtype), device="meta")


def _entmax(problem: Problem, length: int) -> Inputs:
    rows = max((1 << 24) // length, 1)
    return {
        "x": _empty(rows, length, dtype=problem.dtype),
        "dy": _empty(rows, length, dtype=problem.dtype),
        "features": {} if problem.alpha.power else {"alpha": _empty(1, dtype="float32")},
    }


def _attention(problem: Problem, length: int) -> Inputs:
    batch, heads = max(1, 32768 // length), 16

    def rows(heads: int, dim: int) -> "torch.Tensor":
        shape = (batch * length, heads, dim) if problem.varlen else (batch, heads, length, dim)
        return _empty(*shape, dtype=problem.dtype)

    kv_heads = heads // 2 if problem.grouped else heads
    return {
        "q": rows(heads, problem.head_dim),
        "k": rows(kv_heads, problem.head_dim),
        "v": rows(kv_heads, problem.value_dim),
        "dout": rows(heads, problem.value_dim),
        "scale": problem.head_dim**-0.5,
        "features": _features(problem, batch, heads, length),
    }


def _features(problem: Problem, batch: int, heads: int, length: int) -> dict[str, Any]:
    features: dict[str, Any] = {}
    if problem.alpha.power is None:
        features["alpha"] = _empty(heads if problem.learned_alpha else 1, dtype="float32")
    if problem.window:
        features["window_left"], features["window_right"] = max(length // 4, 1), length // 8
    if problem.alibi:
        features["alibi_slopes"] = _empty(heads, dtype="float32")
    if problem.key_padding:
        features["key_padding"] = _empty(batch, length, dtype="bool")
    if problem.attn_mask:
        mask = _empty(1, 1, length, length, dtype="bool")
        features["attn_mask"] = mask.expand(batch, heads, length, length)
    if problem.varlen:
        for side in "qk":
            features[f"cu_seqlens_{side}"] = _empty(batch + 1, dtype="int32")
            features[f"max_seqlen_{side}"] = length
    return features


_MAKERS = {Operation.ENTMAX: _entmax, Operation.ATTENTION: _attention}

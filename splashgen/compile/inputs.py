"""Inputs without memory: what an operation's kernels are called with, as tensors on torch's meta device."""

from typing import TYPE_CHECKING, Any

from splashgen.cases import Inputs
from splashgen.problem import Operation, Problem

if TYPE_CHECKING:
    import torch

__all__ = ["meta_inputs"]

_LENGTH = 1024
"""Where the problem leaves the length open; kernels do not depend on it."""


def meta_inputs(problem: Problem) -> Inputs:
    """The names, shapes and dtypes that `splashgen.cases` draws for this problem, without values.

    Shapes are divisible by 16 where a model's are: Triton specialises on that.
    """
    return _MAKERS[problem.operation](problem, problem.seq_len or _LENGTH)


def _empty(*shape: int, dtype: str) -> "torch.Tensor":
    import torch

    return torch.empty(shape, dtype=getattr(torch, dtype), device="meta")


def _entmax(problem: Problem, length: int) -> Inputs:
    rows = 64
    inputs: dict[str, Any] = {"x": _empty(rows, length, dtype=problem.dtype)}
    if problem.alpha.power is None:
        inputs["alpha"] = _empty(1, dtype="float32")
    if problem.training:
        inputs["dy"] = _empty(rows, length, dtype=problem.dtype)
    return inputs


def _attention(problem: Problem, length: int) -> Inputs:
    batch, heads = 2, 4
    kv_heads = heads // 2 if problem.grouped else heads

    def rows(count: int, dim: int) -> "torch.Tensor":
        shape = (batch * length, count, dim) if problem.varlen else (batch, count, length, dim)
        return _empty(*shape, dtype=problem.dtype)

    inputs: dict[str, Any] = {
        "q": rows(heads, problem.head_dim),
        "k": rows(kv_heads, problem.head_dim),
        "v": rows(kv_heads, problem.value_dim),
        "scale": problem.head_dim**-0.5,
    }
    if problem.training:
        inputs["dout"] = rows(heads, problem.value_dim)
    if problem.alpha.power is None:
        inputs["alpha"] = _empty(1, dtype="float32")
    if problem.window:
        inputs["window_left"], inputs["window_right"] = length // 4, length // 4
    if problem.alibi:
        inputs["alibi_slopes"] = _empty(heads, dtype="float32")
    if problem.key_padding:
        inputs["key_padding"] = _empty(batch, length, dtype="bool")
    if problem.attn_mask:
        inputs["attn_mask"] = _empty(batch, heads, length, length, dtype="bool")
    if problem.varlen:
        for side in "qk":
            inputs[f"cu_seqlens_{side}"] = _empty(batch + 1, dtype="int32")
            inputs[f"max_seqlen_{side}"] = length
    return inputs


_MAKERS = {Operation.ENTMAX: _entmax, Operation.ATTENTION: _attention}

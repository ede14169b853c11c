"""Bad input: each gets an error that names the argument and says what is allowed."""

from typing import Any

import pytest
import torch

import splashgen
from splashgen.dispatch import memo

Q = torch.zeros(2, 4, 8, 16)
OFFSETS = torch.tensor([0, 3, 8], dtype=torch.int32)
PACKED = torch.zeros(8, 4, 16)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"query": [1.0]}, TypeError, "query must be a torch.Tensor"),
        ({"query": Q[0]}, ValueError, "query has shape .* 4 dimensions"),
        ({"value": Q[0]}, ValueError, "value has shape"),
        ({"key": Q.double()}, TypeError, "key has dtype torch.float64"),
        ({"query": Q.int(), "key": Q.int(), "value": Q.int()}, TypeError, "query has dtype torch.int32"),
        ({"query": Q.to("meta"), "key": Q.to("meta"), "value": Q.to("meta")}, ValueError, "query is on meta"),
        ({"key": Q.to("meta")}, ValueError, "key is on meta"),
        ({"query": Q.to_sparse()}, ValueError, "layout"),
        ({"key": Q[:1]}, ValueError, "key has batch size 1"),
        ({"key": Q[:, :, :5]}, ValueError, "key has length 5"),
        ({"key": Q[..., :8]}, ValueError, "key has head dim 8"),
        ({"key": Q[:, :2], "value": Q[:, :2]}, ValueError, "enable_gqa=True"),
        ({"key": Q[:, :3], "value": Q[:, :3], "enable_gqa": True}, ValueError, "no multiple of the 3"),
        ({"key": Q[:, :2], "enable_gqa": True}, ValueError, "value has 4"),
        ({"value": torch.zeros(2, 4, 8, 300)}, ValueError, "value has head dim 300"),
        ({"alpha": 1.0}, ValueError, "scaled_dot_product_attention"),
        ({"alpha": 1}, ValueError, "scaled_dot_product_attention"),
        ({"alpha": 1.00000001}, ValueError, "scaled_dot_product_attention"),
        ({"alpha": 1.00009}, ValueError, r"1\.00009, .* at least 1\.0001.*scaled_dot_product_attention"),
        ({"alpha": 0.5}, ValueError, "alpha is 0.5"),
        ({"alpha": 2.5}, ValueError, "alpha is 2.5"),
        ({"alpha": float("nan")}, ValueError, "alpha is nan"),
        ({"alpha": "1.5"}, TypeError, "alpha must be a number"),
        ({"alpha": torch.tensor(2)}, TypeError, "floating-point"),
        ({"alpha": torch.full((3,), 1.5)}, ValueError, r"alpha has shape \(3,\)"),
        (
            {"alpha": torch.tensor([1.5, 1.0, 2.0, 1.2])},
            ValueError,
            r"alpha holds \[1.5, 1.0, 2.0, .*every value",
        ),
        ({"alpha": torch.tensor(2.5)}, ValueError, r"alpha holds \[2.5\]"),
        ({"alpha": torch.tensor(1.5, device="meta")}, ValueError, "alpha is on meta"),
        ({"scale": float("inf")}, ValueError, "scale must be finite"),
        ({"scale": "0.1"}, TypeError, "scale must be a number"),
        ({"window_size": (-2, 0)}, ValueError, "window_size must be"),
        ({"window_size": (1, 2, 3)}, ValueError, "window_size must be"),
        ({"window_size": 5}, TypeError, "window_size must be"),
        ({"window_size": (2.0, 2)}, TypeError, "window_size must be"),
        ({"window_size": (torch.tensor(2), 2)}, TypeError, "window_size must be"),
        ({"window_size": (True, 2)}, TypeError, "window_size must be"),
        ({"is_causal": torch.tensor(True)}, TypeError, "is_causal must be a bool"),
        ({"is_causal": "no"}, TypeError, "is_causal must be a bool"),
        ({"enable_gqa": torch.tensor(True)}, TypeError, "enable_gqa must be a bool"),
        ({"dropout_p": torch.tensor(0.0)}, TypeError, "dropout_p must be a number"),
        ({"dropout_p": None}, TypeError, "dropout_p must be a number"),
        ({"dropout_p": 0.1}, ValueError, "torch.nn.functional.dropout"),
        ({"sparsity": "very"}, ValueError, "sparsity must be"),
        ({"alibi_slopes": torch.zeros(3)}, ValueError, "alibi_slopes has shape"),
        ({"alibi_slopes": torch.zeros(4).int()}, TypeError, "alibi_slopes must be a floating"),
        ({"alibi_slopes": torch.zeros(4, requires_grad=True)}, ValueError, "alibi_slopes.detach"),
        ({"alibi_slopes": [0.1]}, TypeError, "alibi_slopes must be a tensor"),
        ({"key_padding": torch.ones(2, 7).bool()}, ValueError, "key_padding has shape"),
        ({"key_padding": torch.ones(2, 8)}, TypeError, "key_padding must be bool"),
        ({"key_padding": torch.ones(2, 8).int()}, ValueError, "integer lengths"),
        ({"attn_mask": torch.zeros(8, 8)}, ValueError, "alibi_slopes"),
        ({"attn_mask": torch.ones(8, 7).bool()}, ValueError, "cannot be broadcast"),
        ({"attn_mask": torch.ones(1, 2, 4, 8, 8).bool()}, ValueError, "cannot be broadcast"),
    ],
)
def test_attention(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        splashgen.attention(**{"query": Q, "key": Q, "value": Q, **options})


@pytest.mark.parametrize("name", ["query", "key", "value"])
def test_a_sparse_tensor_after_a_dense_one_of_its_shape(name: str) -> None:
    splashgen.attention(Q, Q, Q)
    with pytest.raises(ValueError, match=rf"{name} has layout .* call {name}.to_dense"):
        splashgen.attention(**{"query": Q, "key": Q, "value": Q, name: Q.to_sparse()})


def test_what_is_refused_is_not_kept() -> None:
    plans = len(memo)
    for _ in range(2):
        with pytest.raises(TypeError, match="is_causal must be a bool"):
            splashgen.attention(Q, Q, Q, is_causal=torch.tensor(True))
    assert len(memo) == plans


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"q": Q}, ValueError, "3 dimensions"),
        ({"v": PACKED[:5]}, ValueError, "key has 8 rows"),
        ({"cu_seqlens_q": OFFSETS.long()}, TypeError, "cu_seqlens_q must be an int32"),
        ({"cu_seqlens_k": [0, 8]}, TypeError, "cu_seqlens_k must be an int32"),
        ({"cu_seqlens_k": OFFSETS[:2]}, ValueError, "equally many"),
        ({"cu_seqlens_k": OFFSETS[:0]}, ValueError, "begin with 0"),
        ({"cu_seqlens_k": OFFSETS.to("meta")}, ValueError, "cu_seqlens_k is on meta"),
        ({"max_seqlen_q": -1}, ValueError, "max_seqlen_q"),
        (
            {"max_seqlen_k": 4},
            ValueError,
            "max_seqlen_k is 4, but the longest sequence of cu_seqlens_k has 5",
        ),
        (
            {"cu_seqlens_q": OFFSETS - 1},
            ValueError,
            r"cu_seqlens_q is \[-1, 2, 7\], .* from 0 to 8, the rows of q",
        ),
        ({"cu_seqlens_q": OFFSETS // 2}, ValueError, r"cu_seqlens_q is \[0, 1, 4\]"),
        ({"cu_seqlens_k": OFFSETS * 2}, ValueError, r"cu_seqlens_k is \[0, 6, 16\]"),
        ({"cu_seqlens_k": torch.tensor([0, 9, 8]).int()}, ValueError, r"cu_seqlens_k is \[0, 9, 8\]"),
        ({"max_seqlen_k": 5.0}, TypeError, "max_seqlen_k"),
        ({"max_seqlen_k": torch.tensor(5)}, TypeError, "max_seqlen_k"),
        ({"is_causal": torch.tensor(True)}, TypeError, "is_causal must be a bool"),
    ],
)
def test_varlen(options: dict[str, Any], error: type[Exception], message: str) -> None:
    given = {
        "q": PACKED,
        "k": PACKED,
        "v": PACKED,
        "cu_seqlens_q": OFFSETS,
        "cu_seqlens_k": OFFSETS,
        "max_seqlen_q": 5,
        "max_seqlen_k": 5,
    }
    with pytest.raises(error, match=message):
        splashgen.attention_varlen(**{**given, **options})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1.0],), TypeError, "x must be a torch.Tensor"),
        ((torch.zeros(3).int(),), TypeError, "x has dtype"),
        ((torch.tensor(1.0),), ValueError, "no dimension"),
        ((torch.zeros(3), 1.5, 1), IndexError, "dim is 1"),
        ((torch.zeros(3), 1.5, 0.0), IndexError, "dim is 0.0"),
        ((torch.zeros(3), 1.0), ValueError, "softmax"),
        ((torch.zeros(3), 1.000001), ValueError, "torch.softmax"),
        ((torch.zeros(3), torch.tensor([1.5, 1.5])), ValueError, "alpha has shape"),
        ((torch.zeros(3), torch.tensor(1.5, requires_grad=True)), ValueError, "alpha.detach"),
    ],
)
def test_entmax(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        splashgen.entmax(*arguments)

"""Support sizes against the float64 reference, which gives its probabilities to an identity for value."""

from typing import Any

import pytest
import torch

import splashgen
import splashgen.support
from splashgen import reference

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned")

N_Q, N_K = 21, 33


def _drawn(heads: int = 4, kv_heads: int = 4, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    shapes = (2, heads, N_Q, 16), (2, kv_heads, N_K, 16), (2, kv_heads, N_K, 16)
    return tuple((2 * torch.randn(shape, dtype=torch.float64)).to(dtype) for shape in shapes)


def _exact(q: torch.Tensor, k: torch.Tensor, **options: Any) -> torch.Tensor:
    """Keys with a probability above 0; the output is the probabilities where value is the identity."""
    identity = torch.eye(k.shape[2], dtype=torch.float64).expand(*k.shape[:2], -1, -1)
    return (reference.attention(q, k, identity, **options) > 0).sum(-1)


OPTIONS = {
    "plain": {},
    "causal": {"is_causal": True},
    "window": {"window_size": (5, 2)},
    "causal window": {"is_causal": True, "window_size": (7, -1)},
    "alibi": {"alibi_slopes": torch.tensor([0.5, 0.25, 0.1, 0.0])},
    "padding": {"key_padding": torch.arange(N_K)[None] < torch.tensor([[20], [0]])},
    "mask": {"attn_mask": torch.ones(N_Q, N_K, dtype=torch.bool).triu(3)},
    "generic": {"alpha": 1.7},
    "sparsemax": {"alpha": 2.0},
    "alpha a head": {"alpha": torch.tensor([1.1, 1.3, 1.6, 2.0])},
    "everything": {
        "alpha": 1.25,
        "is_causal": True,
        "window_size": (15, -1),
        "scale": 0.4,
        "alibi_slopes": torch.tensor([0.5, 0.25, 0.1, 0.0]),
        "key_padding": torch.arange(N_K)[None] >= torch.tensor([[12], [3]]),
        "attn_mask": torch.arange(N_K) % 3 > 0,
    },
}


@pytest.mark.parametrize("rows", [1, 8, 256])
@pytest.mark.parametrize("name", OPTIONS)
def test_matches_the_exact_support(name: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splashgen.support, "_ROWS", rows)
    q, k, v = _drawn()
    out, support = splashgen.attention(q, k, v, return_support=True, **OPTIONS[name])
    truth = _exact(q, k, **OPTIONS[name])
    assert support.dtype == torch.int32 and support.shape == (2, 4, N_Q)
    assert torch.equal(support.long(), truth)
    assert truth.unique().numel() > 2, "the inputs must tell rows apart"
    assert torch.equal(out, splashgen.attention(q, k, v, **OPTIONS[name]))


def test_grouped_heads() -> None:
    q, k, v = _drawn(kv_heads=2)
    _, support = splashgen.attention(q, k, v, enable_gqa=True, is_causal=True, return_support=True)
    assert torch.equal(support.long(), _exact(q, k, is_causal=True))


def test_tau_comes_first_where_both_are_asked_for() -> None:
    q, k, v = (tensor.requires_grad_() for tensor in _drawn())
    out, tau, support = splashgen.attention(q, k, v, return_tau=True, return_support=True)
    assert torch.equal(tau, splashgen.attention(q, k, v, return_tau=True)[1])
    assert support.dtype == torch.int32 and out.requires_grad and not support.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lower_precision_differs_at_ties_within_rounding_only(dtype: torch.dtype) -> None:
    q, k, v = _drawn(dtype=dtype)
    _, support = splashgen.attention(q, k, v, return_support=True)
    _, tau = reference.attention(q, k, v, return_tau=True)
    gap = 0.5 * (q.double() @ k.double().mT) / 4 - tau[..., None]
    surely, possibly = (gap > 1e-5).sum(-1), (gap > -1e-5).sum(-1)
    assert bool(((surely <= support) & (support <= possibly)).all())


def test_padding_that_is_nan_does_not_count() -> None:
    q, k, v = _drawn()
    padding = torch.arange(N_K)[None] < torch.tensor([[20], [7]])
    truth = _exact(q, k, key_padding=padding)
    k[~padding[:, None].expand(k.shape[:3])] = torch.nan
    _, support = splashgen.attention(q, k, v, key_padding=torch.tensor([20, 7]), return_support=True)
    assert torch.equal(support.long(), truth)


def test_packed_sequences() -> None:
    torch.manual_seed(0)
    lengths_q, lengths_k = (5, 17, 1, 0), (9, 17, 30, 4)
    q = torch.randn(sum(lengths_q), 4, 16, dtype=torch.float64)
    k = torch.randn(sum(lengths_k), 2, 16, dtype=torch.float64)
    slopes = torch.rand(4, 4)
    offsets = [torch.tensor([0, *lengths]).cumsum(0).int() for lengths in (lengths_q, lengths_k)]
    options = {"alibi_slopes": slopes, "is_causal": True, "enable_gqa": True, "return_support": True}
    _, support = splashgen.attention_varlen(q, k, k, *offsets, 17, 30, **options)
    assert support.dtype == torch.int32 and support.shape == (4, 23)
    pieces = zip(
        q.split(lengths_q), k.split(lengths_k), support.split(lengths_q, -1), slopes.split(1), strict=True
    )
    for one_q, one_k, ours, own in pieces:
        alone = (tensor.transpose(0, 1)[None] for tensor in (one_q, one_k))
        assert torch.equal(ours.long(), _exact(*alone, is_causal=True, alibi_slopes=own)[0])


@pytest.mark.parametrize(("batch", "n_q", "n_k"), [(0, 5, 5), (2, 0, 5), (2, 5, 0)])
def test_nothing_to_count(batch: int, n_q: int, n_k: int) -> None:
    q, k = torch.randn(batch, 2, n_q, 8), torch.randn(batch, 2, n_k, 8)
    _, support = splashgen.attention(q, k, k, return_support=True)
    assert support.shape == (batch, 2, n_q) and not support.any()

"""Batches that a launch does not take: computed in parts, with the same bits."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import splashgen
from splashgen import batches
from splashgen.dispatch import memo

BATCH = 5
FEATURES: dict[str, dict[str, Any]] = {
    "plain": {},
    "slopes by head": {"alibi_slopes": torch.tensor([0.5, 0.25])},
    "slopes by batch": {"alibi_slopes": torch.rand(BATCH, 2)},
    "lengths": {"key_padding": torch.tensor([9, 0, 3, 4, 8])},
    "padding": {"key_padding": torch.rand(BATCH, 9) < 0.5},
    "mask of all": {"attn_mask": torch.rand(7, 9) < 0.5},
    "mask by head": {"attn_mask": torch.rand(1, 2, 7, 9) < 0.5},
    "mask by batch": {"attn_mask": torch.rand(BATCH, 1, 1, 9) < 0.5},
    "learned": {"alpha": torch.tensor([1.3, 1.6], dtype=torch.float64, requires_grad=True)},
}

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """From its call on a launch takes two batches; plans made meanwhile are forgotten."""

    def begin() -> None:
        monkeypatch.setitem(batches._MOST, "cpu", 2)
        memo.clear()

    yield begin
    memo.clear()


def _drawn() -> list[torch.Tensor]:
    torch.manual_seed(0)
    shapes = (BATCH, 2, 7, 16), (BATCH, 2, 9, 16), (BATCH, 2, 9, 16)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def _all_of(call: Any, inputs: list[torch.Tensor], options: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    out, tau, support = call(*inputs, return_tau=True, return_support=True, **options)
    learned = [each for each in options.values() if each.requires_grad]
    return out, tau, support, *torch.autograd.grad(out.square().sum(), [*inputs, *learned])


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("compiled", [False, True])
def test_parts_have_the_bits_of_the_whole(name: str, compiled: bool, few: Callable[[], None]) -> None:
    inputs, options = _drawn(), FEATURES[name]
    whole = _all_of(splashgen.attention, inputs, options)
    few()
    torch._dynamo.reset()
    call = torch.compile(splashgen.attention, backend="eager", fullgraph=True) if compiled else None
    apart = _all_of(call or splashgen.attention, inputs, options)
    for place, (one, other) in enumerate(zip(whole, apart, strict=True)):
        if place < 6:
            assert torch.equal(one, other)
        else:  # α's gradient, a sum over the batch in another order
            torch.testing.assert_close(one, other)


def test_what_has_no_parts_is_refused(few: Callable[[], None]) -> None:
    few()
    heads = torch.randn(1, 3, 4, 16)
    with pytest.raises(ValueError, match=r"has 3 heads, but a launch takes 2; call for parts"):
        splashgen.attention(heads, heads, heads)
    packed, starts = torch.randn(6, 1, 16), torch.tensor([0, 2, 4, 6], dtype=torch.int32)
    with pytest.raises(ValueError, match=r"has 3 packed sequences, but a launch takes 2"):
        splashgen.attention_varlen(packed, packed, packed, starts, starts, 2, 2)

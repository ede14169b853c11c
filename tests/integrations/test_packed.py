"""Packed sequences: entmax and softmax layers compute for each of them what they compute for it alone."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_models import batch, built

from splashgen.inspect import attention_maps, sparsity
from splashgen.integrations.transformers import attend

LENGTHS = (5, 0, 7)
OFFSETS = torch.tensor([0, 5, 5, 12], dtype=torch.int32)
PACKED = {"cu_seq_lens_q": OFFSETS, "cu_seq_lens_k": OFFSETS, "max_length_q": 7, "max_length_k": 7}


def module(local: str) -> torch.nn.Module:
    made: Any = torch.nn.Module()
    made.config, made.is_causal, made.layer_idx = SimpleNamespace(splashgen_local=local), True, 0
    return made


def drawn() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = (1, 4, 12, 16), (1, 2, 12, 16), (1, 2, 12, 16)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("local", ["softmax", "entmax"])
def test_each_sequence_as_if_alone(local: str, window: int | None) -> None:
    tensors, layer = drawn(), module(local)
    out, _ = attend(layer, *tensors, None, sliding_window=window, **PACKED)
    pieces = zip(*(tensor.split(LENGTHS, 2) for tensor in tensors), strict=True)
    alone = [attend(layer, *piece, None, sliding_window=window)[0] for piece in pieces if piece[0].numel()]
    expected = torch.cat(alone, 1)
    torch.testing.assert_close(out, expected)
    assert out.is_contiguous()
    dout = torch.randn_like(out)
    for ours, theirs in zip(
        *(torch.autograd.grad(one, tensors, dout) for one in (out, expected)), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_dropout_is_softmaxs_and_never_left_out() -> None:
    tensors = drawn()
    kept, _ = attend(module("softmax"), *tensors, None, sliding_window=3, **PACKED)
    dropped, _ = attend(module("softmax"), *tensors, None, sliding_window=3, dropout=0.5, **PACKED)
    assert not torch.allclose(kept, dropped)
    with pytest.raises(ValueError, match=r"Dropout on the attention weights is 0\.5"):
        attend(module("entmax"), *tensors, None, sliding_window=3, dropout=0.5, **PACKED)


@pytest.mark.parametrize(("name", "options"), [("llama", {}), ("qwen2", {"splashgen_local": "softmax"})])
def test_inspection_sees_packed_sequences(name: str, options: dict[str, Any]) -> None:
    model, tokens = built(name, **options), batch()["input_ids"][:1]
    positions = torch.tensor([[*range(5), *range(7)]])
    inputs = {"input_ids": tokens, "position_ids": positions, "use_cache": False, **PACKED}
    maps, heads = attention_maps(model, inputs), sparsity(model, inputs)
    assert len(maps) == (1 if options else 2) and len(heads) == 4 * len(maps)
    for head in heads:
        probabilities = maps[head.name][0, head.head]
        assert not probabilities[5:, :5].any() and not probabilities[:5, 5:].any()
        assert head.support == pytest.approx((probabilities > 0).sum(-1).double().mean().item(), rel=1e-3)
        assert head.visible == pytest.approx((15 + 28) / 12)
    apart = [
        attention_maps(model, {"input_ids": part, "use_cache": False}) for part in tokens.split([5, 7], 1)
    ]
    for layer, probabilities in maps.items():
        torch.testing.assert_close(probabilities[..., :5, :5], apart[0][layer], atol=1e-4, rtol=0)
        torch.testing.assert_close(probabilities[..., 5:, 5:], apart[1][layer], atol=1e-4, rtol=0)


def test_queries_that_are_fewer_than_keys_stand_at_the_end() -> None:
    query, key, value = drawn()
    query = query[:, :, :4]
    begins = torch.tensor([0, 1, 4], dtype=torch.int32), torch.tensor([0, 5, 12], dtype=torch.int32)
    packed = dict(zip(PACKED, (*begins, 3, 7), strict=True))
    seen: list[torch.Tensor] = []

    def compute(*given: Any) -> torch.Tensor:
        seen.append(given[-1]["attn_mask"])
        assert not given[-1]["is_causal"]
        return given[1]

    attend(module("entmax"), query, key, value, None, compute=compute, **packed)
    expected = torch.zeros(4, 12, dtype=torch.bool)
    expected[0, :5], expected[1, 5:10], expected[2, 5:11], expected[3, 5:] = True, True, True, True
    assert torch.equal(seen[0], expected)
    out, _ = attend(module("softmax"), query, key, value, None, sliding_window=100, **packed)
    masked, _ = attend(
        module("softmax"), query, key, value, expected[None, None], sliding_window=100, is_causal=False
    )
    torch.testing.assert_close(out, masked)

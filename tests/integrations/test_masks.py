"""Which masks reach the kernels: padding alone where that says all, a matrix only where nothing else does."""

from inspect import signature
from typing import Any

import pytest
import torch
from tiny_models import ARCHITECTURES, DECODERS, batch, built
from transformers import AutoModelForCausalLM
from transformers.masking_utils import causal_mask_function, sdpa_mask

from splashgen.integrations.transformers import attention, attention_mask


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What `splashgen.attention` is called with by models, with the number of keys."""
    seen: list[dict[str, Any]] = []
    computed = attention.computed

    def spy(module: Any, query: Any, key: Any, value: Any, dropout: Any, options: Any) -> Any:
        seen.append(options | {"n_q": query.shape[2], "n_k": key.shape[2]})
        return computed(module, query, key, value, dropout, options)

    monkeypatch.setattr(attention, "computed", spy)
    return seen


@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_no_matrix_for_plain_masks(name: str, side: str | None, calls: list[dict[str, Any]]) -> None:
    built(name)(**batch(side))
    assert all(call["attn_mask"] is None for call in calls)
    assert all((call["key_padding"] is None) == (side is None) for call in calls)
    assert all(call["is_causal"] == (name in DECODERS) for call in calls)
    windows = {"qwen2": [(4, 0), (-1, -1)], "modernbert": [(-1, -1), (4, 4), (-1, -1)]}
    assert [call["window_size"] for call in calls] == windows.get(name, [(-1, -1)] * len(calls))


def test_a_mask_of_ones_is_no_mask(calls: list[dict[str, Any]]) -> None:
    inputs = batch()
    built("gpt2")(**inputs, attention_mask=torch.ones_like(inputs["input_ids"]))
    assert all(call["key_padding"] is None and call["attn_mask"] is None for call in calls)


@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_decoding_needs_no_matrix(cache: str, calls: list[dict[str, Any]]) -> None:
    model = built("llama", kind=AutoModelForCausalLM)
    options = {"max_new_tokens": 3, "do_sample": False, "pad_token_id": 1, "disable_compile": True}
    model.generate(**batch("left"), cache_implementation=cache, **options)
    steps = [call for call in calls if call["n_q"] == 1]
    assert len(steps) == 4 and all(call["attn_mask"] is None for call in steps)


def _mask(**options: Any) -> torch.Tensor | None:
    plain: dict[str, Any] = {
        "batch_size": 2,
        "kv_length": 6,
        "q_length": 4,
        "mask_function": causal_mask_function,
    }
    return attention_mask(**(plain | options))


def test_keys_that_a_static_cache_has_not_filled_are_cut_off() -> None:
    mask = _mask(q_offset=0)
    assert mask is not None and mask.shape == (2, 4) and bool(mask.all())
    padding = torch.tensor([[0, 1, 1, 1], [1, 1, 1, 1]])
    torch.testing.assert_close(_mask(q_offset=0, attention_mask=padding), padding.bool())


def test_the_keys_end_at_the_last_query() -> None:
    assert _mask(q_offset=2) is None
    padding = torch.tensor([[0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    torch.testing.assert_close(_mask(q_offset=2, attention_mask=padding), padding.bool())
    torch.testing.assert_close(
        _mask(q_offset=3, kv_offset=1, attention_mask=torch.nn.functional.pad(padding, (1, 0))),
        padding.bool(),
    )


@pytest.mark.skipif("q_length" not in signature(sdpa_mask).parameters, reason="Masks took cache_position")
@pytest.mark.parametrize(
    "options",
    [
        {"q_offset": torch.tensor(1)},
        {"mask_function": lambda b, h, q, k: (k <= q) & (k % 2 == 0), "q_offset": 2},
        {"allow_is_causal_skip": False, "q_offset": 2},
    ],
)
def test_other_patterns_become_a_matrix(options: dict[str, Any]) -> None:
    mask, positions = _mask(**options), torch.arange(4)[:, None] + options["q_offset"]
    keys = torch.arange(6)
    expected = keys <= positions
    if "mask_function" in options:
        expected &= keys % 2 == 0
    torch.testing.assert_close(mask, expected.expand(2, 1, 4, 6))

"""Models with entmax attention against the same weights with eager attention, its softmax replaced."""

from typing import Any

import pytest
import torch
from tiny_models import ARCHITECTURES, DECODERS, batch, built, softmax_is_entmax
from transformers import AutoModelForCausalLM

import splashgen


def _outputs(
    model: Any, inputs: dict[str, torch.Tensor], **options: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """The hidden states of tokens that are not padding, and all parameters' gradients in one vector."""
    states = model(**inputs, **options).last_hidden_state
    states = states[inputs["attention_mask"].bool()] if "attention_mask" in inputs else states.flatten(0, 1)
    weights = torch.linspace(-1, 1, states.numel()).view(states.shape)
    (states * weights).sum().backward()
    return states.detach(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def _agree(ours: Any, eager: Any, inputs: dict[str, torch.Tensor], alphas: Any = (1.5,)) -> None:
    states, gradients = _outputs(ours, inputs)
    with softmax_is_entmax(alphas):
        true_states, true_gradients = _outputs(eager, inputs)
    torch.testing.assert_close(states, true_states, atol=2e-5, rtol=0)
    torch.testing.assert_close(
        gradients / true_gradients.abs().max(), true_gradients / true_gradients.abs().max(), atol=2e-5, rtol=0
    )


@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_agrees_with_dense_entmax(name: str, side: str | None) -> None:
    _agree(built(name), built(name, "eager"), batch(side))


@pytest.mark.parametrize("name", ["gpt2", "modernbert"])
def test_one_alpha_a_layer(name: str) -> None:
    alphas = [1.3, 2.0, 1.6][: 2 if name == "gpt2" else 3]
    _agree(built(name, splashgen_alpha=alphas), built(name, "eager"), batch("right"), alphas)


def test_a_model_says_how_sparse_its_scores_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attention is told, and refuses what it does not know."""
    told: list[Any] = []
    attention = splashgen.attention
    monkeypatch.setattr(
        splashgen,
        "attention",
        lambda *args, **options: told.append(options["sparsity"]) or attention(*args, **options),
    )
    built("gpt2", splashgen_sparsity="sparse")(**batch())
    built("gpt2")(**batch())
    assert set(told[: len(told) // 2]) == {"sparse"} and set(told[len(told) // 2 :]) == {None}
    with pytest.raises(ValueError, match="sparsity must be None, 'dense', 'mixed' or 'sparse'"):
        built("gpt2", splashgen_sparsity="thin")(**batch())


def test_alpha_near_1_is_nearly_softmax() -> None:
    ours, softmax = (
        built("bert", name, splashgen_alpha=1.01)(**batch()).last_hidden_state
        for name in ("splashgen", "eager")
    )
    sparse = built("bert")(**batch()).last_hidden_state
    assert (ours - softmax).abs().max() < 0.1 < (sparse - softmax).abs().max()


def test_local_layers_may_keep_softmax() -> None:
    """ModernBERT's second and third layer here are one local and one global."""
    ours, eager = built("modernbert", splashgen_local="softmax"), built("modernbert", "eager")
    inputs, softmax = batch("left"), torch.nn.functional.softmax
    states, _ = _outputs(ours, inputs)
    calls = iter(range(3))
    with softmax_is_entmax(), pytest.MonkeyPatch.context() as patch:
        entmax = torch.nn.functional.softmax
        mixed = lambda *a, **k: (softmax if next(calls) == 1 else entmax)(*a, **k)  # noqa: E731
        patch.setattr(torch.nn.functional, "softmax", mixed)
        true_states, _ = _outputs(eager, inputs)
    torch.testing.assert_close(states, true_states, atol=2e-5, rtol=0)


def test_softmax_layers_keep_their_dropout() -> None:
    model = built(
        "modernbert", splashgen_local="softmax", global_attn_every_n_layers=4, attention_dropout=0.5
    )
    model.layers = model.layers[1:]  # the local ones
    model.train()
    inputs = batch()
    one, other = (model(**inputs).last_hidden_state for _ in range(2))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("name", DECODERS)
def test_generation_with_a_cache_equals_generation_without(name: str, cache: str) -> None:
    model = built(name, kind=AutoModelForCausalLM)
    options: dict[str, Any] = {"max_new_tokens": 6, "do_sample": False, "output_logits": True}
    options |= {"return_dict_in_generate": True, "pad_token_id": 1, **batch("left")}
    bare = model.generate(use_cache=False, **options)
    cached = model.generate(cache_implementation=cache, disable_compile=True, **options)
    assert torch.equal(bare.sequences, cached.sequences)
    torch.testing.assert_close(torch.stack(bare.logits), torch.stack(cached.logits), atol=1e-4, rtol=0)


def test_several_tokens_against_a_cache() -> None:
    model, inputs = built("llama"), batch()
    whole = model(**inputs).last_hidden_state
    first = model(input_ids=inputs["input_ids"][:, :7], use_cache=True)
    rest = model(input_ids=inputs["input_ids"][:, 7:], past_key_values=first.past_key_values)
    torch.testing.assert_close(rest.last_hidden_state, whole[:, 7:], atol=2e-5, rtol=0)


def test_gradient_checkpointing_changes_nothing() -> None:
    gradients = []
    for checkpointed in (False, True):
        model = built("gpt2").train()
        if checkpointed:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        gradients.append(_outputs(model, batch("right"))[1])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("gpt2", "left"),
        *(
            pytest.param(name, side, marks=pytest.mark.slow)
            for name in ("qwen2", "bert", "modernbert")
            for side in (None, "right")
        ),
    ],
)
def test_compiles_without_a_break(name: str, side: str | None) -> None:
    model, options = built(name), {"use_cache": False} if name in DECODERS else {}
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    ours, eager = (_outputs(one, batch(side), **options) for one in (compiled, model))
    torch.testing.assert_close(ours[0], eager[0], atol=1e-5, rtol=0)


def test_packed_sequences_do_not_see_each_other() -> None:
    model, tokens = built("llama"), batch()["input_ids"][:1]
    apart = [model(input_ids=part).last_hidden_state for part in tokens.split([5, 7], 1)]
    positions = torch.tensor([[*range(5), *range(7)]])
    by_positions = model(input_ids=tokens, position_ids=positions, use_cache=False)
    offsets = torch.tensor([0, 5, 12], dtype=torch.int32)
    packed = {"cu_seq_lens_q": offsets, "cu_seq_lens_k": offsets, "max_length_q": 7, "max_length_k": 7}
    by_offsets = model(input_ids=tokens, position_ids=positions, use_cache=False, **packed)
    for out in (by_positions, by_offsets):
        torch.testing.assert_close(out.last_hidden_state, torch.cat(apart, 1), atol=2e-5, rtol=0)


def test_a_decoder_may_look_both_ways() -> None:
    model, inputs = built("llama", is_causal=False), batch()
    changed = {"input_ids": torch.cat([inputs["input_ids"][:, :-1], inputs["input_ids"][:, :1]], 1)}
    first = [model(**one).last_hidden_state[:, 0] for one in (inputs, changed)]
    assert not torch.allclose(*first)

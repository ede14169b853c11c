"""The models on a GPU, where Triton's kernels run in them."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from tiny_models import ARCHITECTURES, DECODERS, batch, built, softmax_is_entmax
from transformers import AutoModelForCausalLM

from splashgen.inspect import attention_maps, sparsity, will_it_help
from splashgen.integrations.transformers import learn_alpha, set_alpha

pytestmark = pytest.mark.gpu


def _there(model: Any, side: str | None, length: int = 48) -> tuple[Any, dict[str, torch.Tensor]]:
    return model.cuda(), {name: tensor.cuda() for name, tensor in batch(side, length).items()}


@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_agrees_with_dense_entmax(name: str, side: str | None) -> None:
    ours, inputs = _there(built(name), side)
    eager, _ = _there(built(name, "eager"), side)
    real = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"])).bool()
    states = ours(**inputs).last_hidden_state[real]
    with softmax_is_entmax():
        truth = eager(**inputs).last_hidden_state[real]
        truth.square().mean().backward()
    states.square().mean().backward()
    torch.testing.assert_close(states, truth, atol=1e-4, rtol=0)
    gradients = [
        torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        for model in (ours, eager)
    ]
    assert (gradients[0] - gradients[1]).abs().max() < 1e-3 * gradients[1].abs().max()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_half_precision_compiled_and_annealed(name: str) -> None:
    model, inputs = _there(built(name).bfloat16(), "left")
    exact = deepcopy(model).float()
    set_alpha(model, 1.01)
    torch._dynamo.reset()
    options = {"use_cache": False} if name in DECODERS else {}
    compiled = torch.compile(model, fullgraph=True)
    for alpha in (1.01, 1.25, 1.5):
        set_alpha(model, alpha)
        set_alpha(exact, alpha)
        with torch.compiler.set_stance("default" if alpha == 1.01 else "fail_on_recompile"):
            ours = compiled(**inputs, **options).last_hidden_state
        real = inputs["attention_mask"].bool()
        eager = model(**inputs, **options).last_hidden_state
        # Compiled code fuses, so it rounds elsewhere; it must be as near to the truth as eager code is.
        truth = exact(**inputs, **options).last_hidden_state
        far = [(states - truth)[real].float().square().mean().sqrt() for states in (ours, eager)]
        assert far[0] <= 1.5 * far[1] + 1e-3
    ours.sum().backward()


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("name", DECODERS)
def test_generation(name: str, cache: str) -> None:
    """Transformers compiles the steps of a static cache on a GPU by itself."""
    model, inputs = _there(built(name, kind=AutoModelForCausalLM), "left", 12)
    options: dict[str, Any] = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 1}
    bare = model.generate(**inputs, use_cache=False, **options)
    assert torch.equal(bare, model.generate(**inputs, cache_implementation=cache, **options))


def test_learned_alpha_trains() -> None:
    model, inputs = _there(built("bert"), "right")
    parameters = learn_alpha(model)
    model(**inputs).last_hidden_state.square().sum().backward()
    assert all(
        bool(parameter.grad.isfinite().all()) and bool(parameter.grad.any()) for parameter in parameters
    )


def test_inspection() -> None:
    model, inputs = _there(built("llama", "sdpa"), "left")
    maps, heads = attention_maps(model, inputs), sparsity(model, inputs)
    assert len(heads) == 4 * len(maps) == 8
    real = inputs["attention_mask"].bool().cpu()
    for head in heads:
        counted = (maps[head.name][:, head.head] > 0).sum(-1)[real].double().mean().item()
        assert head.support == pytest.approx(counted, rel=0.02)
    assert will_it_help(model, inputs).layers

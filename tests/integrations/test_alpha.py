"""α of a model: annealed without compiling again, learned and kept, or fixed."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import batch, built, softmax_is_entmax
from torch._dynamo.testing import CompileCounter
from transformers import AutoModel, AutoModelForCausalLM

from splashgen.integrations.transformers import fix_alpha, learn_alpha, set_alpha
from splashgen.integrations.transformers.alpha_values import alpha_of
from splashgen.integrations.transformers.modules import attention_modules


def _alphas(model: Any) -> list[Any]:
    return [alpha_of(module) for _, module in attention_modules(model)]


def test_set_alpha_equals_the_config() -> None:
    model, inputs = built("gpt2"), batch("left")
    for alpha in (1.01, 1.7):
        set_alpha(model, alpha)
        assert model.config.splashgen_alpha == alpha
        theirs = built("gpt2", splashgen_alpha=alpha)
        torch.testing.assert_close(model(**inputs)[0], theirs(**inputs)[0], atol=1e-5, rtol=0)


def test_set_alpha_does_not_compile_again() -> None:
    model, inputs = built("llama"), batch()
    set_alpha(model, 1.01)
    torch._dynamo.reset()
    counter = CompileCounter()
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    outs = []
    for alpha in (1.01, 1.2, 1.5, 2.0):
        set_alpha(compiled, alpha)
        outs.append(compiled(**inputs, use_cache=False)[0])
    assert counter.frame_count == 1
    assert all(not torch.allclose(one, other) for one, other in itertools.pairwise(outs))


def test_an_annealed_alpha_is_float32_in_any_model() -> None:
    model = built("gpt2")
    set_alpha(model, 1.01)
    model.bfloat16()
    assert all(alpha == torch.tensor(1.01) for alpha in _alphas(model))
    assert model(**batch())[0].dtype == torch.bfloat16


def test_fix_alpha_ends_annealing_and_learning() -> None:
    model = built("gpt2")
    set_alpha(model, 1.01)
    fix_alpha(model, [1.5, 2.0])
    assert _alphas(model) == [1.5, 2.0]
    learn_alpha(model)
    fix_alpha(model, 1.5)
    assert _alphas(model) == [1.5, 1.5] and not any("alpha" in name for name in model.state_dict())


def test_learned_alpha_has_the_gradient_of_dense_entmax() -> None:
    ours, eager, inputs = built("bert"), built("bert", "eager"), batch("right")
    parameters = learn_alpha(ours, 1.3)
    assert [parameter.shape for parameter in parameters] == [(4,), (4,)]
    ours(**inputs)[0].square().sum().backward()
    alphas = [torch.full((4,), 1.3, requires_grad=True) for _ in parameters]
    with softmax_is_entmax(alphas):
        eager(**inputs)[0].square().sum().backward()
    for parameter, alpha in zip(parameters, alphas, strict=True):
        # d alpha / dz of 1.0001 + 0.9999 sigmoid(z) at alpha = 1.3
        torch.testing.assert_close(parameter.grad, alpha.grad * 0.2999 * 0.7 / 0.9999, atol=1e-3, rtol=1e-3)


def test_learned_alpha_is_saved_and_loaded(tmp_path: Path) -> None:
    model = built("llama")
    for number, parameter in enumerate(learn_alpha(model)):
        torch.nn.init.normal_(parameter, mean=number)
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path, attn_implementation="splashgen")
    with pytest.raises(ValueError, match="learn_alpha"):
        loaded(**batch())
    learn_alpha(loaded, checkpoint=tmp_path)
    torch.testing.assert_close(loaded(**batch())[0], model(**batch())[0])
    built("llama").save_pretrained(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="leave checkpoint out"):
        learn_alpha(loaded, checkpoint=tmp_path / "other")


def test_softmax_layers_learn_no_alpha() -> None:
    assert len(learn_alpha(built("modernbert", splashgen_local="softmax"))) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splashgen_alpha": 1.0}, "softmax"),
        ({"splashgen_alpha": 2.5}, r"\[1\.0001, 2\]"),
        (
            {"splashgen_alpha": "sharp"},
            r"config.splashgen_alpha is 'sharp', but must be a number in \[1\.0001, 2\]",
        ),
        ({"splashgen_alpha": [1.5, 2.5]}, r"config.splashgen_alpha is 2.5"),
        ({"splashgen_alpha": [1.5]}, "1 values.*2 layers"),
        ({"splashgen_alpha": [1.5, 1.5, 1.5]}, "3 values.*2 layers"),
        ({"splashgen_alpha": "learned"}, "learn_alpha"),
        ({"splashgen_local": "flash"}, "'entmax' or 'softmax'"),
    ],
)
def test_configs_that_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        built("gpt2", **options)(**batch())


def test_only_models_of_the_interface_have_an_alpha() -> None:
    with pytest.raises(ValueError, match="no attention modules"):
        set_alpha(torch.nn.Linear(2, 2), 1.5)


@pytest.mark.parametrize("change", [set_alpha, fix_alpha, learn_alpha])
def test_a_model_of_the_same_config_keeps_its_alpha(change: Any) -> None:
    config = built("llama", splashgen_alpha=1.7).config
    mine, other = type(built("llama"))(config), type(built("llama"))(config)
    change(mine, 1.3)
    assert _alphas(other) == [1.7, 1.7] and other.config.splashgen_alpha == 1.7
    assert mine.config.splashgen_alpha == ("learned" if change is learn_alpha else 1.3)
    configs = {id(module.config) for module in mine.modules() if hasattr(module, "config")}
    assert configs == {id(mine.config)}, "all modules share the copy"


def test_a_head_model_and_its_base_share_the_copy() -> None:
    model = built("gpt2", kind=AutoModelForCausalLM)
    fix_alpha(model, 1.2)
    assert model.config is model.transformer.config and model.config.splashgen_alpha == 1.2
    model.set_attn_implementation("sdpa")
    model(**batch())


@pytest.mark.parametrize("change", [set_alpha, fix_alpha, learn_alpha])
def test_a_part_of_a_model_is_refused(change: Any) -> None:
    model = built("llama")
    with pytest.raises(ValueError, match="a LlamaDecoderLayer, a part of a model"):
        change(model.layers[0], 2.0)
    assert _alphas(model) == [1.5, 1.5]


@pytest.mark.parametrize("change", [set_alpha, fix_alpha, learn_alpha])
def test_a_softmax_model_is_refused(change: Any) -> None:
    model = built("llama", "sdpa")
    with pytest.raises(ValueError, match="'sdpa', which computes softmax"):
        change(model, 1.5)
    model.set_attn_implementation("splashgen")
    change(model, 1.5)


@pytest.mark.parametrize("values", [[1.5], [1.5, 1.5, 2.0]])
def test_fix_alpha_wants_one_value_a_layer(values: list[float]) -> None:
    model = built("gpt2")
    with pytest.raises(ValueError, match=f"alpha has {len(values)} values, but the model has 2 layers"):
        fix_alpha(model, values)
    assert _alphas(model) == [1.5, 1.5]

"""What entmax attention does not do is refused with a sentence, in every model, and never ignored."""

import subprocess
import sys
from typing import Any

import pytest
import torch
import transformers
from tiny_models import ARCHITECTURES, batch, built

from splashgen.integrations.transformers import attend

DROPOUTS = {"gpt2": "attn_pdrop", "bert": "attention_probs_dropout_prob", "llama": "attention_dropout"}


@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_names_the_field_to_change(name: str) -> None:
    model = built(name, **{DROPOUTS[name]: 0.1})
    model(**batch())  # nothing is dropped outside training
    with pytest.raises(ValueError, match=f"{DROPOUTS[name]}=0.0"):
        model.train()(**batch())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_attention_weights_as_an_output(name: str) -> None:
    with pytest.raises(ValueError, match="attention_maps"):
        built(name)(**batch(), output_attentions=True)


@pytest.mark.skipif(transformers.__version__ >= "5", reason="BERT takes attention functions")
def test_an_old_bert_names_the_release_that_does() -> None:
    config = transformers.BertConfig(num_hidden_layers=1)
    with pytest.raises(NotImplementedError, match=r"Transformers 5\.0"):
        transformers.AutoModel.from_config(config, attn_implementation="splashgen")


def _attend(**options: Any) -> None:
    tensors = (torch.randn(1, 2, 5, 8) for _ in range(3))
    attend(torch.nn.Identity(), *tensors, **({"attention_mask": None} | options))


@pytest.mark.parametrize(
    "name", ["head_mask", "layer_head_mask", "position_bias", "softcap", "s_aux", "cache"]
)
def test_arguments_that_would_change_the_scores(name: str) -> None:
    _attend(**{name: None})
    with pytest.raises(ValueError, match=name):
        _attend(**{name: torch.ones(2)})


def test_a_head_mask_reaches_the_refusal() -> None:
    with pytest.raises((TypeError, ValueError), match="head_mask"):
        built("gpt2")(**batch(), head_mask=torch.ones(2, 4))


def test_masks_that_are_no_masks() -> None:
    with pytest.raises(ValueError, match="mask == 0"):
        _attend(attention_mask=torch.zeros(1, 1, 5, 5))
    with pytest.raises(ValueError, match="must be a tensor"):
        _attend(attention_mask=[[1, 1, 1, 1, 1]])
    with pytest.raises(ValueError, match=r"shape \(1, 5, 5\)"):
        _attend(attention_mask=torch.ones(1, 5, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match="mask == 0"):
        built("llama")(input_ids=batch()["input_ids"], attention_mask=torch.zeros(2, 1, 12, 12))


def test_a_boolean_matrix_is_a_mask() -> None:
    model, inputs = built("llama"), batch()
    causal = torch.ones(12, 12, dtype=torch.bool).tril().expand(2, 1, 12, 12)
    torch.testing.assert_close(model(**inputs, attention_mask=causal)[0], model(**inputs)[0])


def test_a_missing_library_is_named() -> None:
    hide = "import importlib.metadata as m, sys; sys.modules['transformers'] = None\n"
    hide += "def version(name): raise m.PackageNotFoundError\n"
    for found, message in (("version", "splashgen-kernels[transformers]"), ("lambda name: '4.40.1'", "4.57")):
        script = f"{hide}m.version = {found}\nimport splashgen.integrations.transformers"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert "ImportError" in done.stderr and message in done.stderr

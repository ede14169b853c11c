"""Models with attention of their own are refused when they are built; all others are not."""

from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModel

from splashgen.inspect import sparsity
from splashgen.integrations.transformers import register
from splashgen.integrations.transformers.outside import asks_the_interface

_SMALL: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2,
    "intermediate_size": 48,
}  # fmt: skip
_OUTSIDE: dict[str, dict[str, Any]] = {
    "BloomConfig": {"vocab_size": 50, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    "DebertaV2Config": _SMALL,
    "XLNetConfig": {"vocab_size": 50, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48},
    "MPNetConfig": _SMALL,
}


def _config(name: str) -> Any:
    return getattr(transformers, name)(**_OUTSIDE[name])


@pytest.mark.parametrize("name", _OUTSIDE)
def test_a_model_with_attention_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"attn_implementation is 'splashgen', but \w+ computes its attention"
    ):
        AutoModel.from_config(_config(name), attn_implementation="splashgen")
    assert AutoModel.from_config(_config(name), attn_implementation="eager") is not None


@pytest.mark.parametrize("name", _OUTSIDE)
def test_it_keeps_what_it_has_when_it_is_asked_to_change(name: str) -> None:
    model = AutoModel.from_config(_config(name)).eval()
    before = model.config._attn_implementation
    model.set_attn_implementation("splashgen")  # Transformers warns that the model does not support this
    assert model.config._attn_implementation == before
    with pytest.raises(ValueError, match="no call that can be looked at"):
        sparsity(model, {"input_ids": torch.ones(1, 8, dtype=torch.long)})


@pytest.mark.parametrize(
    "name", ["BartModel", "WhisperModel", "Wav2Vec2Model", "EncoderDecoderModel", "T5Model"]
)
def test_a_model_without_the_flag_is_judged_by_its_source(name: str) -> None:
    assert asks_the_interface(getattr(transformers, name))


def test_registering_again_changes_nothing() -> None:
    check = transformers.PreTrainedModel.get_correct_attn_implementation
    register()
    assert transformers.PreTrainedModel.get_correct_attn_implementation is check

"""Models of each architecture, small enough for the CPU, and dense entmax attention to judge them by."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModel

import splashgen.integrations.transformers  # noqa: F401
from splashgen import reference

_ENCODER: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2,
    "intermediate_size": 48, "max_position_embeddings": 64, "pad_token_id": 1,
    "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0,
}  # fmt: skip
_DECODER: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
    "num_hidden_layers": 2, "intermediate_size": 48, "max_position_embeddings": 64, "pad_token_id": 1,
    "bos_token_id": None, "eos_token_id": None,
}  # fmt: skip
_WINDOW = {"sliding_window": 5, "layer_types": ["sliding_attention", "full_attention"]}
_MODERN = _ENCODER | {"local_attention": 8, "global_attn_every_n_layers": 2, "num_hidden_layers": 3}
_GPT2 = {"n_embd": 32, "n_head": 4, "n_layer": 2, "n_positions": 64, "vocab_size": 50}
_GPT2 |= {
    "attn_pdrop": 0.0,
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "bos_token_id": None,
    "eos_token_id": None,
}

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2Config", _GPT2),
    "llama": ("LlamaConfig", _DECODER),
    "qwen2": ("Qwen2Config", _DECODER | _WINDOW | {"use_sliding_window": True}),
    "qwen3": ("Qwen3Config", _DECODER | {"head_dim": 8}),
    "bert": ("BertConfig", _ENCODER),
    "roberta": ("RobertaConfig", _ENCODER),
    "modernbert": ("ModernBertConfig", _MODERN | {"reference_compile": False}),
}
DECODERS = ("gpt2", "llama", "qwen2", "qwen3")


def built(name: str, attention: str = "splashgen", kind: Any = AutoModel, **options: Any) -> Any:
    """A model with weights from one seed, larger than usual so that attention is not flat."""
    if attention == "splashgen" and name in ("bert", "roberta") and transformers.__version__ < "5":
        pytest.skip("This Transformers is too old for entmax in BERT and RoBERTa.")
    config_class, sizes = ARCHITECTURES[name]
    config = getattr(transformers, config_class)(**(sizes | {"initializer_range": 0.3} | options))
    torch.manual_seed(0)
    return kind.from_config(config, attn_implementation=attention).eval()


def batch(side: str | None = None, length: int = 12) -> dict[str, torch.Tensor]:
    """Two sequences of tokens, the second of them padded on a side."""
    torch.manual_seed(1)
    tokens = torch.randint(2, 50, (2, length))
    if side is None:
        return {"input_ids": tokens}
    mask = torch.ones_like(tokens)
    mask[1, slice(None, 4) if side == "left" else slice(-4, None)] = 0
    return {"input_ids": tokens.masked_fill(mask == 0, 1), "attention_mask": mask}


@contextlib.contextmanager
def softmax_is_entmax(alphas: Sequence[float | torch.Tensor] = (1.5,)) -> Iterator[None]:
    """Eager attention computes dense entmax in float64; its n-th call takes the n-th α, and so on in turn."""
    turn = itertools.cycle(alphas)

    def entmax(scores: torch.Tensor, dim: int = -1, dtype: torch.dtype | None = None) -> torch.Tensor:
        assert dim == -1
        alpha = next(turn)
        if isinstance(alpha, torch.Tensor):
            alpha = alpha.double().reshape(-1, 1, 1)
        return reference.entmax(scores.double(), alpha).to(dtype or scores.dtype)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "softmax", entmax)
        yield

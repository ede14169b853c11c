"""Byte-level BPE, trained on the experiment's own training text, and tensors of tokens."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["PAD", "START", "Vocabulary"]

PAD, START = 0, 1
"""Tokens that text never holds: what fills a row up, and what begins one."""


class Vocabulary:
    """A byte-level BPE tokenizer.

    Parameters
    ----------
    texts : sequence of str
        To train on.
    size : int
        Tokens, `PAD` and `START` among them.

    Raises
    ------
    SystemExit
        If the package tokenizers is not installed.
    """

    def __init__(self, texts: Sequence[str], size: int) -> None:
        try:
            from tokenizers import ByteLevelBPETokenizer
        except ImportError:
            raise SystemExit("This needs tokenizers; install it with: pip install tokenizers") from None
        self._model: Any = ByteLevelBPETokenizer()
        self._model.train_from_iterator(texts, size, special_tokens=["<pad>", "<s>"], show_progress=False)

    def stream(self, texts: Sequence[str]) -> Tensor:
        """All texts one after the other, each after `START`: int64 (total,)."""
        encoded = self._model.encode_batch(list(texts))
        return torch.tensor([token for row in encoded for token in (START, *row.ids)])

    def rows(self, texts: Sequence[str], length: int) -> Tensor:
        """The first tokens of each text, `START` first, filled up with `PAD`: int64 (texts, length)."""
        table = torch.full((len(texts), length), PAD)
        table[:, 0] = START
        for row, encoded in zip(table, self._model.encode_batch(list(texts)), strict=True):
            ids = encoded.ids[: length - 1]
            row[1 : len(ids) + 1] = torch.tensor(ids)
        return table

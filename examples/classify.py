"""Text classification: which of 20 newsgroups a post was sent to, with RoBERTa's and ModernBERT's shapes.

Models are trained from scratch on 11,293 posts and tested on 7,528 later ones.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from examples.data import newsgroups
from examples.kit.experiment import Experiment, Run, Setting, main
from examples.kit.ranking import pooled
from examples.kit.scores import draw_scores, score_table
from examples.kit.shapes import Shape, build, configured
from examples.kit.tokens import Vocabulary
from examples.kit.training import Recipe, precision, train
from examples.kit.variants import VARIANTS, variant_grid

_SHAPE = Shape(layers=4, heads=4, vocabulary=8192, dropout=0.1)
_RECIPE = Recipe(steps=400, learning_rate=5e-4, warmup=60)


@dataclass(frozen=True)
class Config:
    """`length` in tokens: what is longer is cut. `posts` limits them, for the toy."""

    families: tuple[str, ...] = ("roberta", "modernbert")
    length: int = 256
    batch: int = 64
    posts: int | None = None
    shape: Shape = _SHAPE
    recipe: Recipe = _RECIPE
    seeds: tuple[int, ...] = (1, 2, 3)


TOY = Config(
    length=32, batch=4, posts=40, seeds=(1,), recipe=Recipe(steps=3),
    shape=Shape(layers=3, heads=1, vocabulary=300, dropout=0.1),
)  # fmt: skip


@cache
def _tables(
    source: Path | None, posts: int | None, vocabulary: int, length: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """Tokens (posts, length) and labels (posts,), to train on and to test on, and the number of labels."""
    (texts, groups), (test_texts, test_groups) = newsgroups("train", source), newsgroups("test", source)
    names = sorted(set(groups))
    step = 1 if posts is None else len(texts) // posts  # posts lie group by group
    words = Vocabulary(texts[::step], vocabulary)
    labels, test_labels = (
        torch.tensor([names.index(g) for g in some[::step]]) for some in (groups, test_groups)
    )
    tokens, test_tokens = (words.rows(some[::step], length) for some in (texts, test_texts))
    return tokens, labels, test_tokens, test_labels, len(names)


class Classifier(nn.Module):
    """A linear map of the mean of an encoder's last states: logits (rows, labels), float32."""

    def __init__(self, encoder: nn.Module, width: int, labels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(width, labels)

    def forward(self, rows: Tensor) -> Tensor:
        logits: Tensor = self.head(pooled(self.encoder, rows)).float()
        return logits


def execute(config: Config, run: Run, setting: Setting) -> dict[str, Any]:
    """Train one model with one seed and variant; the fraction of test posts that it labels right."""
    import transformers

    device = setting.device
    found = _tables(setting.data, config.posts, config.shape.vocabulary, config.length)
    tokens, labels, test_tokens, test_labels = (part.to(device) for part in found[:4])
    torch.manual_seed(run["seed"])
    model_config = configured(run["family"], config.shape, config.length)
    encoder = build(transformers.AutoModel, model_config, VARIANTS[run["variant"]])
    model = Classifier(encoder, config.shape.width, found[4]).to(device)
    order = torch.Generator().manual_seed(1000 + run["seed"])

    def loss_at(step: int) -> Tensor:
        chosen = torch.randint(len(tokens), (config.batch,), generator=order).to(device)
        return cross_entropy(model(tokens[chosen]), labels[chosen])

    trace = train(model, loss_at, config.recipe, device)
    return {
        "score": _accuracy(model, test_tokens, test_labels, 4 * config.batch, device),
        "losses": trace.losses,
        "step_ms": trace.step_ms,
        "peak_gb": trace.peak_gb,
    }


@torch.no_grad()
def _accuracy(model: nn.Module, tokens: Tensor, labels: Tensor, batch: int, device: torch.device) -> float:
    model.eval()
    right = torch.zeros((), device=device)
    for rows, wanted in zip(tokens.split(batch), labels.split(batch), strict=True):
        with precision(device):
            right += (model(rows).argmax(-1) == wanted).sum()
    return round(float(right) / len(labels), 5)


EXPERIMENT = Experiment(
    "classify",
    Config(),
    TOY,
    lambda config: variant_grid(config.seeds, ("family", config.families)),
    execute,
    lambda rows: score_table(rows, "test accuracy"),
    lambda rows, path: draw_scores(rows, path, "test accuracy"),
)

if __name__ == "__main__":
    main(EXPERIMENT, __doc__)

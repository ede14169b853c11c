"""A real model converted: MiniLM's softmax becomes entmax, α rising from 1.01, and training goes on briefly.

Sentence similarity before and after, on the two halves of newsgroup posts: a half must be nearer to its
other half than to another post's (AUC against a post of the same newsgroup, nDCG@10 among all). Training on
such pairs changes the softmax model too, so that one is trained alike. `swapped` is entmax without training.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from examples.data import newsgroups
from examples.kit.converted import draw, table
from examples.kit.experiment import Experiment, Run, Setting, main
from examples.kit.minilm import PADDING, load, rows, tokenized
from examples.kit.ranking import auc, embed, ndcg_at_10
from examples.kit.tables import grouped
from examples.kit.training import Recipe, Trace, precision, train
from splashgen.training import AlphaSchedule

_RECIPE = Recipe(steps=300, learning_rate=5e-5, warmup=30)


@dataclass(frozen=True)
class Config:
    """Variants are a final α, or None for softmax, and whether the model is trained at all."""

    length: int = 128
    batch: int = 128
    temperature: float = 0.05
    annealing: float = 0.6
    posts: int | None = None
    recipe: Recipe = _RECIPE
    seeds: tuple[int, ...] = (1, 2, 3)


TOY = Config(length=16, batch=4, posts=20, recipe=Recipe(steps=3), seeds=(1,))

VARIANTS: dict[str, tuple[float | None, bool]] = {
    "softmax, as it is": (None, False),
    "alpha=1.5, swapped": (1.5, False),
    "alpha=2, swapped": (2.0, False),
    "softmax, trained on": (None, True),
    "alpha=1.5, annealed": (1.5, True),
    "alpha=2, annealed": (2.0, True),
}


def runs(config: Config) -> list[Run]:
    """Trained variants with every seed; the others have nothing random in them."""
    return [
        {"seed": seed, "variant": variant}
        for seed in config.seeds
        for variant, (_, trained) in VARIANTS.items()
        if trained or seed == config.seeds[0]
    ]


@cache
def _halves(source: Path | None, split: str, posts: int | None, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """First and second halves (posts, length) of posts, each cut to a row, and the newsgroup's number."""
    texts, groups = newsgroups(split, source)
    step = 1 if posts is None else len(texts) // posts
    names = sorted(set(groups))
    most = length - 2
    pieces = tokenized(tuple(texts[::step]), source)
    kept = [
        (piece[: 2 * most], group)
        for piece, group in zip(pieces, groups[::step], strict=True)
        if len(piece) > 15
    ]
    first = rows([piece[: len(piece) // 2] for piece, _ in kept], length)
    second = rows([piece[len(piece) // 2 :] for piece, _ in kept], length)
    return first, second, torch.tensor([names.index(group) for _, group in kept])


def execute(config: Config, run: Run, setting: Setting) -> dict[str, Any]:
    """Convert with one seed and variant; similarity, and the share of tokens that each layer attends to."""
    device, (alpha, trained) = setting.device, VARIANTS[run["variant"]]
    torch.manual_seed(run["seed"])
    model = load(setting.data, alpha).to(device)
    outcome: dict[str, Any] = {}
    if trained:
        trace = _train(model, config, run["seed"], alpha, setting)
        outcome = {"losses": trace.losses, "step_ms": trace.step_ms, "peak_gb": trace.peak_gb}
    model.eval()
    first, second, groups = _halves(setting.data, "test", config.posts, config.length)
    some = first[: 4 * config.batch].to(device)
    with torch.no_grad(), precision(device):
        heads, tails = (
            torch.cat([embed(model, part.to(device), PADDING) for part in half.split(4 * config.batch)])
            for half in (first, second)
        )
    shares = None if alpha is None else support_shares(model, some)
    return {
        "auc": auc(heads, tails, groups.to(device)),
        "ndcg": ndcg_at_10(heads, tails),
        "posts": len(heads),
        "support": shares,
        **outcome,
    }


def support_shares(model: nn.Module, tokens: Tensor) -> list[float]:
    """For each layer, keys attended to over keys that are there, of all heads and queries; in float32."""
    from splashgen.inspect import sparsity

    heads = sparsity(model, {"input_ids": tokens, "attention_mask": tokens != PADDING})
    layers = grouped(heads, lambda head: head.layer).values()
    return [round(sum(h.support for h in layer) / sum(h.visible for h in layer), 4) for layer in layers]


def _train(model: nn.Module, config: Config, seed: int, alpha: float | None, setting: Setting) -> Trace:
    from splashgen.integrations.transformers import fix_alpha, set_alpha

    first, second, _ = _halves(setting.data, "train", config.posts, config.length)
    first, second = first.to(setting.device), second.to(setting.device)
    own = torch.arange(config.batch, device=setting.device)
    order = torch.Generator().manual_seed(1000 + seed)
    steps = max(int(config.annealing * config.recipe.steps), 1)
    schedule = None if alpha is None else AlphaSchedule(end=alpha, steps=steps)

    def loss_at(step: int) -> Tensor:
        if schedule is not None and step <= steps:
            (fix_alpha if schedule.is_over(step) else set_alpha)(model, schedule(step))
        chosen = torch.randint(len(first), (config.batch,), generator=order).to(first.device)
        heads, tails = (embed(model, half[chosen], PADDING) for half in (first, second))
        return cross_entropy(heads @ tails.T / config.temperature, own)

    return train(model, loss_at, config.recipe, setting.device)


EXPERIMENT = Experiment("convert", Config(), TOY, runs, execute, table, draw)

if __name__ == "__main__":
    main(EXPERIMENT, __doc__)

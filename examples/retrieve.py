"""Single-vector retrieval: a span of a post must find the post that it was cut from (Lee et al. 2019, ICT).

One model encodes both to the mean of its last states; it is trained contrastively within a batch, from
scratch. nDCG@10 is over all posts of the test set that are long enough, one relevant post for each query.
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
from examples.kit.ranking import embed, ndcg_at_10
from examples.kit.scores import draw_scores, score_table
from examples.kit.shapes import Shape, build, configured
from examples.kit.tokens import PAD, START, Vocabulary
from examples.kit.training import Recipe, precision, train
from examples.kit.variants import VARIANTS, variant_grid

_SHAPE = Shape(layers=4, heads=4, vocabulary=8192, dropout=0.1)
_RECIPE = Recipe(steps=400, learning_rate=5e-4, warmup=60)


@dataclass(frozen=True)
class Config:
    """`length` and `span` in tokens; posts shorter than two spans are left out."""

    families: tuple[str, ...] = ("roberta", "modernbert")
    length: int = 256
    span: int = 32
    batch: int = 128
    temperature: float = 0.05
    posts: int | None = None
    shape: Shape = _SHAPE
    recipe: Recipe = _RECIPE
    seeds: tuple[int, ...] = (1, 2, 3)


TOY = Config(
    length=32, span=8, batch=4, posts=60, seeds=(1,), recipe=Recipe(steps=3),
    shape=Shape(layers=3, heads=1, vocabulary=300, dropout=0.1),
)  # fmt: skip


@cache
def _tables(
    source: Path | None, posts: int | None, vocabulary: int, length: int, span: int
) -> tuple[Tensor, Tensor]:
    """Tokens (posts, length) to train on and to test on."""
    texts, tests = newsgroups("train", source)[0], newsgroups("test", source)[0]
    step = 1 if posts is None else len(texts) // posts
    words = Vocabulary(texts[::step], vocabulary)
    train_rows, test_rows = (words.rows(some[::step], length) for some in (texts, tests))
    return _long_enough(train_rows, span), _long_enough(test_rows, span)


def _long_enough(rows: Tensor, span: int) -> Tensor:
    return rows[(rows != PAD).sum(-1) > 2 * span]


def cut(rows: Tensor, span: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Take a span out of each row.

    Parameters
    ----------
    rows : Tensor (batch, length)
        int64 tokens, `START` first, more than `span` others, then `PAD`.
    span : int
    generator : Generator
        On the CPU.

    Returns
    -------
    Tensor (batch, 1 + span)
        The spans, each after `START`.
    Tensor (batch, length - span)
        What is left.
    """
    room = (rows != PAD).sum(-1) - span  # a span may begin at 1, ..., room
    first = 1 + (torch.rand(len(rows), generator=generator).to(rows.device) * room).long()
    places = torch.arange(rows.shape[1], device=rows.device)
    inside = (places >= first[:, None]) & (places < first[:, None] + span)
    spans = rows[inside].view(len(rows), span)
    start = torch.full_like(spans[:, :1], START)
    return torch.cat([start, spans], 1), rows[~inside].view(len(rows), -1)


def execute(config: Config, run: Run, setting: Setting) -> dict[str, Any]:
    """Train one model with one seed and variant; nDCG@10 of one query for each test post."""
    import transformers

    device = setting.device
    found = _tables(setting.data, config.posts, config.shape.vocabulary, config.length, config.span)
    rows, tests = (part.to(device) for part in found)
    torch.manual_seed(run["seed"])
    model_config = configured(run["family"], config.shape, config.length)
    model = build(transformers.AutoModel, model_config, VARIANTS[run["variant"]]).to(device)
    order = torch.Generator().manual_seed(1000 + run["seed"])

    def loss_at(step: int) -> Tensor:
        chosen = torch.randint(len(rows), (config.batch,), generator=order).to(device)
        queries, posts = (embed(model, part) for part in cut(rows[chosen], config.span, order))
        return cross_entropy(queries @ posts.T / config.temperature, torch.arange(len(posts), device=device))

    trace = train(model, loss_at, config.recipe, device)
    queries, posts = _encoded(
        model, cut(tests, config.span, torch.Generator().manual_seed(7)), config.batch, device
    )
    return {
        "score": ndcg_at_10(queries, posts),
        "posts": len(posts),
        "losses": trace.losses,
        "step_ms": trace.step_ms,
        "peak_gb": trace.peak_gb,
    }


@torch.no_grad()
def _encoded(
    model: nn.Module, parts: tuple[Tensor, Tensor], batch: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    model.eval()
    with precision(device):
        queries, posts = (torch.cat([embed(model, some) for some in part.split(4 * batch)]) for part in parts)
    return queries, posts


EXPERIMENT = Experiment(
    "retrieve",
    Config(),
    TOY,
    lambda config: variant_grid(config.seeds, ("family", config.families)),
    execute,
    lambda rows: score_table(rows, "nDCG@10"),
    lambda rows, path: draw_scores(rows, path, "nDCG@10"),
)

if __name__ == "__main__":
    main(EXPERIMENT, __doc__)

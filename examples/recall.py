"""Multi-query associative recall: trained at one length, tested at up to 64 times it.

A sequence is pairs of a key and its value in its first half, and keys alone, in another order, in its
second; the model must answer each with its value (Arora et al. 2023, arXiv 2312.04927). A longer sequence
has more pairs, so more keys that a query must not attend to.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from examples.kit.decoder import Decoder
from examples.kit.experiment import Experiment, Run, Setting, main
from examples.kit.plots import curves, figure, save
from examples.kit.tables import grouped, markdown, spread
from examples.kit.training import Recipe, precision, train
from examples.kit.variants import VARIANTS, variant_grid

_RECIPE = Recipe(steps=500, learning_rate=3e-3, warmup=50)


@dataclass(frozen=True)
class Config:
    """Lengths are tokens; a sequence of n has n/4 pairs and n/2 questions, each pair asked for twice."""

    length: int = 64
    factors: tuple[int, ...] = (1, 4, 16, 64)
    keys: int = 2048
    values: int = 64
    width: int = 32
    heads: int = 1
    layers: int = 2
    tokens: int = 4096
    test_tokens: int = 65536
    recipe: Recipe = _RECIPE
    seeds: tuple[int, ...] = (1, 2, 3)


TOY = Config(
    length=32, factors=(1, 4), keys=64, values=16, width=32, tokens=256, test_tokens=256,
    recipe=Recipe(steps=4), seeds=(0,),
)  # fmt: skip


def draw_batch(config: Config, length: int, tokens: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences with their answers.

    Parameters
    ----------
    config : Config
    length : int
        A multiple of 4, at most four times `config.keys`.
    tokens : int
        In the batch; at least one sequence is drawn.
    generator : Generator
        Whose device is the tensors'.

    Returns
    -------
    Tensor (batch, length)
        int64: keys are below `config.keys`, values follow them.
    Tensor (batch, length // 2)
        int64, the values that the second half asks for.
    """
    batch, pairs, device = max(tokens // length, 1), length // 4, generator.device
    order = torch.rand(batch, config.keys, device=device, generator=generator).argsort(-1)
    keys = order[:, :pairs]
    values = torch.randint(config.values, (batch, pairs), device=device, generator=generator) + config.keys
    asked = torch.rand(batch, 2 * pairs, device=device, generator=generator).argsort(-1) % pairs
    context = torch.stack([keys, values], -1).flatten(1)
    return torch.cat([context, keys.gather(1, asked)], 1), values.gather(1, asked)


def execute(config: Config, run: Run, setting: Setting) -> dict[str, Any]:
    """Train with one seed and variant; the fraction of right answers at each length."""
    torch.manual_seed(run["seed"])
    device = setting.device
    generator = torch.Generator(device).manual_seed(1000 + run["seed"])
    vocabulary = config.keys + config.values
    model = Decoder(vocabulary, config.width, config.heads, config.layers, VARIANTS[run["variant"]])
    model.to(device)

    def loss_at(step: int) -> Tensor:
        tokens, answers = draw_batch(config, config.length, config.tokens, generator)
        logits = model(tokens)[:, config.length // 2 :]
        return cross_entropy(logits.flatten(0, 1).float(), answers.flatten())

    trace = train(model, loss_at, config.recipe, device)
    model.eval()
    accuracy = [_accuracy(model, config, factor * config.length, device) for factor in config.factors]
    return {
        "lengths": [factor * config.length for factor in config.factors],
        "accuracy": accuracy,
        "losses": trace.losses,
        "step_ms": trace.step_ms,
        "peak_gb": trace.peak_gb,
    }


@torch.no_grad()
def _accuracy(model: Decoder, config: Config, length: int, device: torch.device) -> float:
    """Of the same test sequences for every variant and seed."""
    generator = torch.Generator(device).manual_seed(7)
    right = []
    for _ in range(4):
        tokens, answers = draw_batch(config, length, config.test_tokens // 4, generator)
        with precision(device):
            guesses = model(tokens)[:, length // 2 :].argmax(-1)
        right.append((guesses == answers).float().mean().item())
    return round(mean(right), 5)


def table(rows: list[Run]) -> str:
    """Accuracy at each length, mean ± standard deviation over seeds."""
    lengths = rows[0]["lengths"]
    lines = [
        [variant, *(spread([row["accuracy"][i] for row in group]) for i in range(len(lengths))), len(group)]
        for variant, group in grouped(rows, lambda row: row["variant"]).items()
    ]
    return markdown(["recall accuracy", *(f"n={length}" for length in lengths), "seeds"], lines)


def draw(rows: list[Run], path: Path) -> None:
    """Accuracy against length, and the loss against the part of training that is over."""
    drawn, grid = figure(2)
    left, right = grid[0]
    curves(left, rows, lambda row: row["lengths"], lambda row: row["accuracy"])
    left.set_xscale("log", base=2)
    left.set(title="recall", xlabel="length (trained at the first)", ylabel="accuracy", ylim=(-0.02, 1.02))
    curves(
        right,
        rows,
        lambda row: [i / (len(row["losses"]) - 1) for i in range(len(row["losses"]))],
        lambda row: row["losses"],
    )
    right.set(title="training", xlabel="fraction of steps", ylabel="loss")
    save(drawn, grid, path)


EXPERIMENT = Experiment(
    "recall", Config(), TOY, lambda config: variant_grid(config.seeds), execute, table, draw
)

if __name__ == "__main__":
    main(EXPERIMENT, __doc__)

"""Language modelling with the shape of GPT-2, on Python's standard library: loss, time and memory by context.

Every variant sees the same windows of the same files in the same order. A step has the same number of tokens
at every context, so that longer contexts cost more only through attention.
"""

from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from examples.data import python_sources
from examples.kit.experiment import Experiment, Run, Setting, main
from examples.kit.plots import curves, figure, save
from examples.kit.shapes import Shape, build, configured
from examples.kit.tables import grouped, markdown, spread
from examples.kit.tokens import Vocabulary
from examples.kit.training import Recipe, precision, train
from examples.kit.variants import VARIANTS, variant_grid

_SHAPE = Shape(layers=6, heads=6, vocabulary=4096)
_RECIPE = Recipe(steps=250, learning_rate=1e-3, warmup=30)


@dataclass(frozen=True)
class Config:
    """Contexts, and tokens of a step, which every context divides, and of the validation, at most."""

    contexts: tuple[int, ...] = (1024, 4096, 16384)
    tokens: int = 16384
    validation_tokens: int = 262_144
    files: int | None = None
    shape: Shape = _SHAPE
    recipe: Recipe = _RECIPE
    seeds: tuple[int, ...] = (1, 2, 3)


TOY = Config(
    contexts=(64,), tokens=128, validation_tokens=256, files=8, seeds=(1,), recipe=Recipe(steps=3),
    shape=Shape(layers=1, heads=1, vocabulary=300),
)  # fmt: skip


@cache
def _streams(files: int | None, vocabulary: int) -> tuple[Tensor, Tensor, float]:
    """Tokens to train on and to validate on, and the latter's bytes a token."""
    texts, held_out = python_sources("train")[:files], python_sources("validation")[:files]
    words = Vocabulary(texts, vocabulary)
    validation = words.stream(held_out)
    size = sum(len(text.encode()) for text in held_out)
    return words.stream(texts), validation, size / len(validation)


def execute(config: Config, run: Run, setting: Setting) -> dict[str, Any]:
    """Train at one context with one seed and variant; the loss on other files, in nats a token."""
    import transformers

    device, context = setting.device, run["context"]
    stream, validation, bytes_a_token = _streams(config.files, config.shape.vocabulary)
    stream = stream.to(device)
    torch.manual_seed(run["seed"])
    model_config = configured("gpt2", config.shape, context)
    model = build(transformers.AutoModelForCausalLM, model_config, VARIANTS[run["variant"]]).to(device)
    starts = torch.Generator().manual_seed(1000 + run["seed"])
    offsets = torch.arange(context, device=device)

    def loss_at(step: int) -> Tensor:
        first = torch.randint(len(stream) - context, (config.tokens // context, 1), generator=starts)
        batch = stream[first.to(device) + offsets]
        loss: Tensor = model(input_ids=batch, labels=batch, use_cache=False).loss
        return loss

    trace = train(model, loss_at, config.recipe, device)
    count = min(config.validation_tokens, len(validation)) // context * context
    windows = validation[:count].view(-1, context)
    loss = _validate(model, windows.split(max(config.tokens // context, 1)), device)
    return {
        "validation_loss": round(loss, 5),
        "bytes_a_token": round(bytes_a_token, 4),
        "losses": trace.losses,
        "step_ms": trace.step_ms,
        "peak_gb": trace.peak_gb,
    }


@torch.no_grad()
def _validate(model: nn.Module, batches: tuple[Tensor, ...], device: torch.device) -> float:
    model.eval()
    losses, weights = [], []
    for batch in batches:
        with precision(device):
            losses.append(model(input_ids=batch.to(device), labels=batch.to(device), use_cache=False).loss)
        weights.append(float(len(batch)))
    mean = torch.stack(losses).float().cpu() @ torch.tensor(weights) / sum(weights)
    return float(mean)


def table(rows: list[Run]) -> str:
    """Loss, milliseconds a step and peak memory by context, mean ± standard deviation over seeds."""
    lines = [
        [
            context,
            variant,
            spread([row["validation_loss"] for row in group]),
            spread([row["step_ms"] for row in group], 1),
            spread([row["peak_gb"] for row in group], 2),
            len(group),
        ]
        for (context, variant), group in sorted(
            grouped(rows, lambda row: (row["context"], row["variant"])).items(), key=lambda item: item[0][0]
        )
    ]
    return markdown(["context", "attention", "validation loss", "ms a step", "peak GB", "seeds"], lines)


def draw(rows: list[Run], path: Path) -> None:
    """The three against context."""
    drawn, grid = figure(3)
    fields = (
        ("validation_loss", "validation loss, nats a token"),
        ("step_ms", "ms a step"),
        ("peak_gb", "peak GB"),
    )
    joined = [
        _by_context(seed_rows) for seed_rows in grouped(rows, lambda r: (r["variant"], r["seed"])).values()
    ]
    for axes, (field, label) in zip(grid[0], fields, strict=True):
        curves(axes, joined, itemgetter("context"), itemgetter(field))
        axes.set_xscale("log", base=2)
        axes.set(xlabel="context", ylabel=label)
    save(drawn, grid, path)


def _by_context(rows: list[Run]) -> Run:
    """Rows of one variant and seed as one row, whose fields are lists."""
    rows = sorted(rows, key=lambda row: row["context"])
    fields = ("context", "validation_loss", "step_ms", "peak_gb")
    return {"variant": rows[0]["variant"], **{field: [row[field] for row in rows] for field in fields}}


EXPERIMENT = Experiment(
    "language_model",
    Config(),
    TOY,
    lambda config: variant_grid(config.seeds, ("context", config.contexts)),
    execute,
    table,
    draw,
)

if __name__ == "__main__":
    main(EXPERIMENT, __doc__)

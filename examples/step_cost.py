"""What a whole training step costs: softmax, splashgen, AdaSplash, entmax over all scores.

Models have the shapes of GPT-2 (124M) and ModernBERT-base and random weights; a step is forward, backward
and AdamW, under bfloat16 autocast. What entmax costs depends on how sparse attention is, and with random
weights it is not. So each length is measured with the model's own queries and keys, and with a workload of
the benchmark in their place, whose share of 64×64 tiles that hold anything stands in the table.
"""

from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

import torch

from examples.kit.costs import draw, table
from examples.kit.experiment import Experiment, Run, Setting, parser, perform
from examples.kit.shapes import Shape, configured
from examples.kit.step import Contest
from examples.kit.swap import Swap
from splashgen.bench.cells import SEED, Cell
from splashgen.problem import DType
from splashgen.workloads import attention_tensors, tile_density

SHAPES = {
    "gpt2": Shape(layers=12, heads=12, vocabulary=50257),
    "modernbert": Shape(layers=22, heads=12, vocabulary=50368),
    "gpt2-toy": Shape(layers=2, heads=2, vocabulary=64),
    "modernbert-toy": Shape(layers=3, heads=2, vocabulary=64),
}


@dataclass(frozen=True)
class Config:
    """Lengths are measured in this order: what the targets are about comes first."""

    lengths: tuple[int, ...] = (1024, 8192, 16384, 4096, 32768)
    models: tuple[str, ...] = ("gpt2", "modernbert")
    scores: tuple[str, ...] = ("clustered2", "model")
    peers: tuple[str, ...] = ("flash2", "ours", "adasplash1", "dense_entmax")
    tokens: int = 16384
    rounds: int = 7


TOY = Config(
    lengths=(128,), models=("gpt2-toy", "modernbert-toy"), tokens=128, rounds=1,
    peers=("sdpa_math", "ours", "dense_entmax"),
)  # fmt: skip


def runs(config: Config) -> list[Run]:
    """Every score, model and length."""
    return [
        {"length": length, "model": model, "scores": scores}
        for scores in config.scores
        for length in config.lengths
        for model in config.models
    ]


def execute(config: Config, run: Run, setting: Setting) -> dict[str, Any]:
    """Time a step of one model at one length with every peer in turn."""
    import transformers

    device, shape, length = setting.device, SHAPES[run["model"]], run["length"]
    causal = run["model"].startswith("gpt2")
    dtype = DType.BFLOAT16 if device.type == "cuda" else DType.FLOAT32
    batch = max(config.tokens // length, 1)
    workload = "gaussian" if run["scores"] == "model" else run["scores"]
    cell = Cell(length, shape.head_dim, workload, batch, shape.heads, dtype, causal=causal, seed=SEED)
    auto = transformers.AutoModelForCausalLM if causal else transformers.AutoModelForMaskedLM
    swap = _swap()
    torch.manual_seed(SEED)
    with torch.device(device):
        family = run["model"].removesuffix("-toy")
        model = auto.from_config(configured(family, shape, length), attn_implementation="swap").train()
        tokens = torch.randint(2, shape.vocabulary, (batch, length))
    swap.scores, density = None, None
    if run["scores"] != "model":
        drawn = attention_tensors(workload, cell.shape, cell.seed)
        q, k = (drawn[name].to(device, getattr(torch, dtype.value)) for name in "qk")
        swap.scores = q, k
        density = round(tile_density(q[:1, :1], k[:1, :1], causal=causal), 4)
    rows = Contest(model, swap, cell, tokens).run(config.peers, config.rounds)
    for row in rows.values():
        if row["status"] == "ok":
            row["median_ms"] = median(row["step_ms"])
    return {"batch": batch, "density": density, "peers": rows}


@cache
def _swap() -> Swap:
    return Swap("swap")


EXPERIMENT = Experiment("step_cost", Config(), TOY, runs, execute, table, draw)

# AdaSplash-2 tunes itself for minutes at each length, so it has an experiment of its own.
ADASPLASH2 = Experiment(
    "step_cost_adasplash2",
    Config(lengths=(8192,), models=("gpt2",), scores=("clustered2",), peers=("flash2", "ours", "adasplash2")),
    TOY,
    runs,
    execute,
    table,
    draw,
)

if __name__ == "__main__":
    command = parser(__doc__)
    command.add_argument("--adasplash2", action="store_true", help="One length with AdaSplash-2 instead.")
    chosen = command.parse_args()
    perform(ADASPLASH2 if chosen.adasplash2 else EXPERIMENT, chosen)

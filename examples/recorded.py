"""The benchmark on real queries, keys and values: those of MiniLM's layers, for posts of 512 tokens.

The peers, the errors against float64 and the way of timing are those of `splashgen bench`. The tensors can be
written to a file (`--save-tensors`), for other kernels to be run on.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from examples.data import newsgroups
from examples.kit.experiment import Experiment, Run, Setting, parser, perform
from examples.kit.minilm import load, rows, tokenized
from examples.kit.recordings import draw, table
from splashgen.alpha import AlphaClass
from splashgen.bench.cells import SEED, Cell
from splashgen.bench.measure import measure
from splashgen.bench.peers import PEERS
from splashgen.inspect.observe import observe
from splashgen.problem import DType
from splashgen.workloads import tile_density


@dataclass(frozen=True)
class Config:
    """`posts` of `length` tokens, no padding; `rounds` of everybody in turn."""

    layers: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    alphas: tuple[str, ...] = ("1.5", "2")
    length: int = 512
    posts: int = 64
    peers: tuple[str, ...] = ("ours", "flash2", "cudnn", "adasplash1", "dense_entmax")
    rounds: int = 20


TOY = Config(
    layers=(0, 3), alphas=("1.5",), length=64, posts=2, peers=("ours", "sdpa_math", "dense_entmax"), rounds=2
)


def runs(config: Config) -> list[Run]:
    """Every layer and α."""
    return [{"layer": layer, "alpha": alpha} for layer in config.layers for alpha in config.alphas]


@cache
def record(source: Path | None, length: int, posts: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Queries, keys and values of each layer, (posts, heads, length, head_dim), float32 on the CPU.

    Of the first test posts that are long enough.
    """
    pieces = [
        piece for piece in tokenized(tuple(newsgroups("test", source)[0]), source) if len(piece) >= length - 2
    ]
    layers: list[tuple[Tensor, Tensor, Tensor]] = []
    observe(
        load(source, None),
        {"input_ids": rows(pieces[:posts], length)},
        lambda call: layers.append((call.query, call.key, call.value)),
    )
    return layers


def execute(config: Config, run: Run, setting: Setting) -> dict[str, Any]:
    """Time a layer's attention, forward and backward, with every peer in turn."""
    q, k, v = record(setting.data, config.length, config.posts)[run["layer"]]
    dtype = DType.BFLOAT16 if setting.device.type == "cuda" else DType.FLOAT32
    cell = Cell(
        config.length,
        q.shape[-1],
        f"minilm{run['layer']}",
        len(q),
        q.shape[1],
        dtype,
        alpha=AlphaClass(run["alpha"]),
        causal=False,
        seed=SEED,
    )
    dout = torch.randn(q.shape, generator=torch.Generator().manual_seed(SEED))
    drawn = {"q": q, "k": k, "v": v, "dout": dout}
    kind = getattr(torch, dtype.value)
    tensors = {name: tensor.to(setting.device, kind).contiguous() for name, tensor in drawn.items()}
    for name in ("q", "k", "v"):
        tensors[name].requires_grad_()
    measured = measure(
        cell, [PEERS[name] for name in config.peers], tensors, rounds=config.rounds, seconds=2.0
    )
    for row in measured.values():
        if row["status"] == "ok":
            row["median_ms"] = median(row["forward_ms"]) + median(row["backward_ms"])
    density = tile_density(q[:4], k[:4], cell.number)
    return {"tile_density": round(density, 4), "peers": measured}


def save_tensors(path: Path, source: Path | None, config: Config) -> None:
    """Write `layer0.q`, `layer0.k`, ... of all layers, float16, as safetensors."""
    from safetensors.torch import save_file

    layers = record(source, config.length, config.posts)
    named = {
        f"layer{i}.{name}": tensor.half().contiguous()
        for i, layer in enumerate(layers)
        for name, tensor in zip("qkv", layer, strict=True)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(named, path)


EXPERIMENT = Experiment("recorded", Config(), TOY, runs, execute, table, draw)

if __name__ == "__main__":
    command = parser(__doc__)
    command.add_argument("--save-tensors", type=Path, help="Also write the layers' q, k, v here.")
    chosen = command.parse_args()
    if chosen.save_tensors:
        save_tensors(chosen.save_tensors, chosen.data, TOY if chosen.toy else Config())
    perform(EXPERIMENT, chosen)

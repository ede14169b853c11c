"""The training loop: AdamW, linear warm-up, cosine decay, bfloat16 autocast on a GPU."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Recipe", "Trace", "precision", "train"]


@dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Attributes
    ----------
    steps : int
    learning_rate : float
        At its highest.
    warmup : int
        Steps until then.
    weight_decay : float
        Of matrices; vectors have none.
    """

    steps: int
    learning_rate: float = 1e-3
    warmup: int = 20
    weight_decay: float = 0.01

    def rate(self, step: int) -> float:
        """The factor of the learning rate at a step: up to 1 in `warmup` steps, then a cosine down to 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        progress = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0)))


@dataclass(frozen=True)
class Trace:
    """What training cost.

    Attributes
    ----------
    losses : list of float
        About forty, evenly spaced.
    step_ms : float
        Mean over the second half of the steps: everything is compiled by then.
    peak_gb : float
        The most memory that tensors took on the GPU; 0 on a CPU.
    """

    losses: list[float]
    step_ms: float
    peak_gb: float


def precision(device: torch.device) -> AbstractContextManager[None]:
    """bfloat16 matrix products on a GPU, float32 on a CPU."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def train(model: nn.Module, loss_at: Callable[[int], Tensor], recipe: Recipe, device: torch.device) -> Trace:
    """Train a model in place.

    Parameters
    ----------
    model : Module
        On the device; float32 parameters.
    loss_at : (step) → Tensor ()
        The loss of a step's batch. It is called under autocast.
    recipe : Recipe
    device : torch.device

    Raises
    ------
    FloatingPointError
        If the loss is not finite at the end.
    """
    matrices = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    vectors = [p for p in model.parameters() if p.requires_grad and p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=device.type == "cuda")
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, recipe.rate)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    kept: list[Tensor] = []
    half, began = recipe.steps // 2, time.perf_counter()
    model.train()
    for step in range(recipe.steps):
        if step == half:
            _wait(device)
            began = time.perf_counter()
        with precision(device):
            loss = loss_at(step)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if step % max(recipe.steps // 40, 1) == 0 or step == recipe.steps - 1:
            kept.append(loss.detach().float())  # read at the end: reading it here would stop the GPU
    _wait(device)
    spent = time.perf_counter() - began
    losses = [round(value, 4) for value in torch.stack(kept).tolist()]
    if not math.isfinite(losses[-1]):
        raise FloatingPointError(f"The loss was {losses[-1]} after {recipe.steps} steps.")
    peak = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0
    return Trace(losses, round(1e3 * spent / max(recipe.steps - half, 1), 3), round(peak, 3))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

"""What a call costs the host, beside a bare autograd.Function that launches the same kernels, and peers.

One sample is the time until a call returns, on a device that has nothing left to do. The device's own time is
not in it (on a CPU it is), but what launches, allocations and autograd cost the host is, for everybody alike.
"""

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import median
from typing import Any

import torch

from splashgen.bench.cells import Cell
from splashgen.bench.collected import added
from splashgen.bench.drawing import inputs_of
from splashgen.bench.measure import reason, rotated
from splashgen.bench.peers import Attend, Peer
from splashgen.bench.results import Results
from splashgen.dispatch import kernel_for
from splashgen.kernel import Kernel
from splashgen.problem import DType

__all__ = ["BARE", "CALLS", "LENGTHS", "PEERS", "measure_overhead"]

BARE = "bare"
"""The peer that launches our kernels with as little Python as autograd takes."""
LENGTHS = (128, 512)
PEERS = ["flash2", "cudnn", "sdpa_math", "adasplash2"]
"""Who is measured beside ours and the bare one."""
_SAMPLES = 400
_WARM_UP = 50

Call = Callable[[], Any]


class _Bare(torch.autograd.Function):
    """(kernel, scale, q, k, v) → out."""

    @staticmethod
    def forward(
        ctx: Any, kernel: Kernel, scale: float, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        out, saved = kernel.forward(q, k, v, scale)
        ctx.save_for_backward(q, k, v, *saved)
        ctx.kernel, ctx.scale = kernel, scale
        result: torch.Tensor = out
        return result

    @staticmethod
    def backward(ctx: Any, dout: torch.Tensor) -> tuple[Any, ...]:
        q, k, v, *saved = ctx.saved_tensors
        return None, None, *ctx.kernel.backward(dout, q, k, v, ctx.scale, tuple(saved))


def _bare(cell: Cell, device: torch.device) -> Attend:
    device = torch.empty(0, device=device).device  # with the index that dispatch keys its table by
    scale = cell.head_dim**-0.5
    training = kernel_for(cell.problem, device)
    inference = kernel_for(replace(cell.problem, training=False), device)

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            out: torch.Tensor = _Bare.apply(training, scale, q, k, v)
        else:
            out = inference.forward(q, k, v, scale)[0]
        return out

    return attend


def _inference(attend: Attend, tensors: dict[str, torch.Tensor]) -> Call:
    q, k, v = (tensors[name].detach() for name in "qkv")

    def call() -> None:
        with torch.no_grad():
            attend(q, k, v)

    return call


def _forward(attend: Attend, tensors: dict[str, torch.Tensor]) -> Call:
    q, k, v = (tensors[name] for name in "qkv")
    return lambda: attend(q, k, v)


def _training(attend: Attend, tensors: dict[str, torch.Tensor]) -> Call:
    q, k, v, dout = (tensors[name] for name in ("q", "k", "v", "dout"))
    return lambda: torch.autograd.grad(attend(q, k, v), (q, k, v), dout)


CALLS: dict[str, Callable[[Attend, dict[str, torch.Tensor]], Call]] = {
    "inference": _inference,
    "forward": _forward,
    "training": _training,
}
"""What is called: under `no_grad`, with gradients to come, and with their backward pass."""


def measure_overhead(
    results: Results,
    session: int,
    device: torch.device,
    peers: Sequence[Peer],
    lengths: Sequence[int] | None,
    head_dim: int,
    say: Callable[[str], None],
    samples: int = _SAMPLES,
) -> None:
    """Measure everybody in turn, save raw microseconds, print medians and what ours adds to the bare one."""
    dtype = DType.FLOAT32 if device.type == "cpu" else DType.BFLOAT16
    for n in lengths or LENGTHS:
        cell = Cell(n, head_dim, "gaussian", 1, 2, dtype)
        tensors = inputs_of(cell, device)
        attends, rows = _started(cell, peers, tensors, device)
        for name, make in CALLS.items():
            calls = {peer: make(attend, tensors) for peer, attend in attends.items()}
            spent = _timed(calls, device, samples)
            facts = {"call": name, "seq_len": n, "head_dim": head_dim, "batch": 1, "heads": cell.heads}
            entry = {"session": session, **facts, "dtype": dtype.value}
            entry["peers"] = rows | {peer: {"status": "ok", "us": spent[peer]} for peer in calls}
            results.data.setdefault("overhead", []).append(entry)
            results.save()
            say(f"n={n} {name:<10}{_line(spent)}")


def _started(
    cell: Cell, peers: Sequence[Peer], tensors: dict[str, torch.Tensor], device: torch.device
) -> tuple[dict[str, Attend], dict[str, dict[str, Any]]]:
    """Who got through a first training call and a first inference, and rows for those who did not."""
    attends: dict[str, Attend] = {}
    rows: dict[str, dict[str, Any]] = {}
    makers = {BARE: _bare, **{peer.name: peer.attend for peer in peers}}
    refusals = {peer.name: peer.missing or peer.refusal(cell, device) for peer in peers}
    for name, make in makers.items():
        if refusals.get(name):
            rows[name] = {"status": "unsupported", "reason": refusals[name]}
            continue
        try:
            attend = make(cell, device)
            for start in CALLS.values():
                start(attend, tensors)()
        except Exception as error:
            rows[name] = {"status": "failed", "reason": reason(error)}
            continue
        attends[name] = attend
    return attends, rows


def _timed(calls: dict[str, Call], device: torch.device, samples: int) -> dict[str, list[float]]:
    """Microseconds of each call, one of everybody a round, each round beginning with another."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    with _undisturbed():
        for turn in range(-_WARM_UP, samples):
            for name, call in rotated(list(calls.items()), turn):
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                began = time.perf_counter_ns()
                call()
                ended = time.perf_counter_ns()
                if turn >= 0:
                    spent[name].append((ended - began) / 1000)
    return spent


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Within, no garbage is collected."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _line(spent: dict[str, list[float]]) -> str:
    medians = {name: median(times) for name, times in spent.items()}
    line = "  ".join(f"{name} {time:.1f} µs" for name, time in medians.items())
    if {BARE, "ours"} <= medians.keys():
        line += f"; ours - {BARE}, round by round: {added(spent['ours'], spent[BARE]):.1f} µs"
    return line

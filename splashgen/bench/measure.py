"""One cell: everybody's first call, memory and errors, then everybody's times, in turn."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from splashgen.bench.cells import Cell
from splashgen.bench.drawing import Tensors
from splashgen.bench.peers import Attend, Peer
from splashgen.bench.truth import Sample
from splashgen.tune.measure.timing import Stopwatch

__all__ = ["DeviceLost", "Rows", "measure", "reason", "rotated"]

_FEWEST = 5
_LONGEST_STEP_S = 10.0
"""Of forward and backward: six of them, the fewest, are a minute."""

Item = TypeVar("Item")


Rows = dict[str, dict[str, Any]]
"""By peer; `status` is `ok`, `missing`, `unsupported`, `failed`, `too slow`, or `unfinished` until timed."""


class DeviceLost(RuntimeError):
    """A peer has broken the process's hold on the GPU: nothing can be measured in this process any more."""

    def __init__(self, peer: str) -> None:
        super().__init__(
            f"{peer} broke the GPU for this process; run the same command again to go on without it."
        )


class _TooSlow(RuntimeError):
    """A step takes so long that its rounds would keep everybody else waiting."""


@dataclass(slots=True)
class _Contender:
    """A peer that got through its first call."""

    peer: Peer
    attend: Attend
    row: dict[str, Any]
    watch: Stopwatch
    forward_ms: list[float] = field(default_factory=list)
    backward_ms: list[float] = field(default_factory=list)


def measure(
    cell: Cell,
    peers: Sequence[Peer],
    tensors: Tensors,
    *,
    rounds: int,
    seconds: float,
    rows: Rows | None = None,
    changed: Callable[[], None] = lambda: None,
    guard: Callable[[Peer], AbstractContextManager[None]] = lambda peer: nullcontext(),
    before_timing: Callable[[], None] = lambda: None,
) -> Rows:
    """A row for each peer, whatever happens to it; times are milliseconds.

    Training forward and backward are timed apart. One round times everybody once, and rounds begin with a
    different peer each, until there are enough of them or the seconds are over.

    Parameters
    ----------
    rows : dict, optional
        To be filled, peer by peer: `changed` hears of each change before timing.
    guard : callable
        Makes the context that a peer's first steps are taken in.
    before_timing : callable
        Waits for what must not run beside the clock.

    Raises
    ------
    DeviceLost
        If a peer fails in a way that no later call can survive.
    """
    device = tensors["q"].device
    rows = {} if rows is None else rows
    contenders: list[_Contender] = []
    sample = Sample(cell, tensors)
    for peer in peers:
        refused = peer.missing or peer.refusal(cell, device)
        if refused is not None:
            rows[peer.name] = {"status": "missing" if peer.missing else "unsupported", "reason": refused}
            continue
        rows[peer.name] = {"status": "unfinished", "reason": "Its first steps had begun."}
        changed()
        try:
            with guard(peer):
                contender = _start(cell, peer, tensors, sample)
        except _TooSlow as error:
            rows[peer.name] = {"status": "too slow", "reason": str(error)}
            continue
        except Exception as error:
            _failed(peer, rows, error, device)
            continue
        rows[peer.name] = contender.row
        contenders.append(contender)
        changed()
    before_timing()
    _time(contenders, tensors, rows, rounds, seconds)
    return rows


def _start(cell: Cell, peer: Peer, tensors: Tensors, sample: Sample) -> _Contender:
    device = tensors["q"].device
    _synchronize(device)
    began = time.perf_counter()
    attend = peer.attend(cell, device)
    _step(attend, tensors, tensors["dout"])
    _synchronize(device)
    row: dict[str, Any] = {"status": "unfinished", "reason": "It was not timed."}
    row["first_call_s"] = round(time.perf_counter() - began, 4)
    if device.type == "cuda":
        row["peak_bytes"] = _peak(attend, tensors)
    began = time.perf_counter()
    results = _step(attend, tensors, sample.dout)
    _synchronize(device)
    spent = time.perf_counter() - began
    if spent > _LONGEST_STEP_S:
        raise _TooSlow(f"A step takes {spent:.0f} s, and more than {_LONGEST_STEP_S:g} s are not waited for.")
    row["errors"] = sample.errors(results, peer.softmax)
    row |= peer.facts(cell, device)
    return _Contender(peer, attend, row, Stopwatch(device))


def _step(attend: Attend, tensors: Tensors, dout: torch.Tensor) -> Tensors:
    out = attend(tensors["q"], tensors["k"], tensors["v"])
    dq, dk, dv = torch.autograd.grad(out, (tensors["q"], tensors["k"], tensors["v"]), dout)
    return {"out": out.detach(), "dq": dq, "dk": dk, "dv": dv}


def _peak(attend: Attend, tensors: Tensors) -> int:
    """Bytes that a training step needs beyond its inputs, its results included."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    _step(attend, tensors, tensors["dout"])
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _time(
    contenders: list[_Contender],
    tensors: Tensors,
    rows: Rows,
    rounds: int,
    seconds: float,
) -> None:
    device = tensors["q"].device
    end = time.monotonic() + seconds
    for turn in range(-1, rounds):  # the first round warms up
        if turn >= min(_FEWEST, rounds) and time.monotonic() > end:
            break
        for contender in rotated(contenders, turn):
            try:
                spent = _lap(contender, tensors)
            except Exception as error:
                contenders.remove(contender)
                _failed(contender.peer, rows, error, device)
                continue
            if turn >= 0:
                contender.forward_ms.append(round(spent[0], 5))
                contender.backward_ms.append(round(spent[1], 5))
    for contender in contenders:
        contender.row["forward_ms"] = contender.forward_ms
        contender.row["backward_ms"] = contender.backward_ms
        contender.row["status"] = "ok"
        del contender.row["reason"]


def rotated(everybody: Sequence[Item], turn: int) -> list[Item]:
    """Everybody once, each turn beginning with another one: nobody always follows the same."""
    first = turn % max(len(everybody), 1)
    return [*everybody[first:], *everybody[:first]]


def _lap(contender: _Contender, tensors: Tensors) -> tuple[float, float]:
    q, k, v, dout = (tensors[name] for name in ("q", "k", "v", "dout"))
    forward, out = contender.watch.lap(lambda: contender.attend(q, k, v))
    backward, _ = contender.watch.lap(lambda: torch.autograd.grad(out, (q, k, v), dout, retain_graph=True))
    return forward, backward


def _failed(peer: Peer, rows: Rows, error: Exception, device: torch.device) -> None:
    rows[peer.name] = {"status": "failed", "reason": reason(error)}
    try:
        _synchronize(device)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    except Exception:
        for name in [name for name, row in rows.items() if row["status"] == "unfinished"]:
            del rows[name]
        raise DeviceLost(peer.name) from error


def reason(error: Exception) -> str:
    """An exception in one line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

"""Row-wise entmax with α = 1.5 in float32, against its peers and a plain copy."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import torch

from splashgen.bench.cells import SEED
from splashgen.bench.measure import reason
from splashgen.bench.results import Results
from splashgen.budget import error
from splashgen.reference import entmax as reference
from splashgen.tune.measure.timing import Stopwatch
from splashgen.workloads import entmax_scores

__all__ = ["LENGTHS", "measure_rowwise"]

LENGTHS = (1024, 2048, 4096, 8192, 16_384, 32_768, 65_536)
_ELEMENTS = {"cuda": 1 << 27, "cpu": 1 << 18}
_CHECKED_ROWS = 16

Rowwise = Callable[[torch.Tensor], torch.Tensor]


def measure_rowwise(
    results: Results,
    session: int,
    device: torch.device,
    lengths: Sequence[int],
    rounds: int,
    say: Callable[[str], None],
) -> None:
    """Time the forward pass of everybody in turn at each length; save and print as it goes.

    GB/s count one read and one write of every element, whatever an implementation really moves.
    """
    for n in lengths:
        count = max(_ELEMENTS.get(device.type, 1 << 18) // n, 1)
        x = entmax_scores("gaussian", count, n, SEED).to(device)
        rows, running = _first_calls(x)
        watches = {name: Stopwatch(device) for name in running}
        for turn in range(-2, rounds):  # two rounds warm up
            for name, call in list(running.items()):
                try:
                    lap = watches[name].lap(partial(call, x))[0]
                except Exception as failure:
                    rows[name] = {"status": "failed", "reason": reason(failure)}
                    del running[name]
                    continue
                if turn >= 0:
                    rows[name].setdefault("ms", []).append(round(lap, 5))
        results.data["entmax"][str(n)] = {"rows": count, "session": session, "peers": rows}
        results.save()
        for name, row in rows.items():
            told = f"{row['status']}: {row['reason']}" if row["status"] != "ok" else _speed(row, x.numel())
            say(f"entmax n={n} rows={count}  {name:<22}{told}")


def _speed(row: dict[str, Any], elements: int) -> str:
    time = median(row["ms"])
    text = f"{time:9.4f} ms {8 * elements / time / 1e6:9.1f} GB/s"
    return text + (f"  error {row['error']:.1e}" if "error" in row else "")


def _first_calls(x: torch.Tensor) -> tuple[dict[str, dict[str, Any]], dict[str, Rowwise]]:
    """A row for each, and the ones that can be timed."""
    rows: dict[str, dict[str, Any]] = {}
    running: dict[str, Rowwise] = {}
    truth = reference(x[:_CHECKED_ROWS], 1.5)
    for name, make in _MAKERS.items():
        try:
            call = make(x)
            y = call(x)
            rows[name] = {"status": "ok"}
            if name != "copy":
                rows[name]["error"] = error(y[:_CHECKED_ROWS], truth)
            running[name] = call
        except ImportError as failure:
            rows[name] = {"status": "missing", "reason": reason(failure)}
        except Exception as failure:
            rows[name] = {"status": "failed", "reason": reason(failure)}
    return rows, running


def _ours(x: torch.Tensor) -> Rowwise:
    from splashgen.functional import entmax15

    return entmax15


def _copy(x: torch.Tensor) -> Rowwise:
    target = torch.empty_like(x)
    return target.copy_


def _adasplash(version: str) -> Callable[[torch.Tensor], Rowwise]:
    def make(x: torch.Tensor) -> Rowwise:
        import adasplash

        call: Rowwise = getattr(adasplash, f"triton_entmax_{version}")
        return call

    return make


def _package(x: torch.Tensor) -> Rowwise:
    import entmax

    return lambda scores: entmax.entmax15(scores, dim=-1)


_MAKERS: dict[str, Callable[[torch.Tensor], Rowwise]] = {
    "ours": _ours,
    "copy": _copy,
    "adasplash_entmax_v2": _adasplash("v2"),
    "adasplash_entmax_v1": _adasplash("v1"),
    "entmax15": _package,
}

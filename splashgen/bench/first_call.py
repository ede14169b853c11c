"""How long a process's first forward and backward take, with empty caches and warm ones, and on what.

`python -m splashgen.bench.first_call PEER SEQ_LEN HEAD_DIM DEVICE` is one such process: it prints JSON.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from splashgen.bench.breakdown import instrument
from splashgen.bench.results import Results
from splashgen.bench.spans import Spans

__all__ = ["measure_first_calls"]

_LIMIT_S = 400.0
_SHOWN_S = 0.004
_CACHES = ("TRITON_CACHE_DIR", "SPLASHGEN_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")


def measure_first_calls(
    results: Results,
    session: int,
    peers: list[str],
    sizes: tuple[int, int],
    device: str,
    say: Callable[[str], None],
) -> None:
    """Two processes a peer, the first with empty caches, the second with what the first left in them.

    Of ours, results keep `parts`: for each phase what its seconds went to, spans first (those marked
    «beside» ran at the same time as others), then `elsewhere`, samples of what no span covers.
    """
    for peer in peers:
        with tempfile.TemporaryDirectory(prefix="splashgen-first-call-") as folder:
            for cache in ("cold", "warm"):
                told, failure = _child(peer, sizes, device, Path(folder))
                if told is None:
                    say(f"first call, {cache} cache  {peer:<12} failed: {failure}")
                    break
                call = {"peer": peer, "cache": cache, "session": session, "seq_len": sizes[0]}
                results.data["first_calls"].append(call | {"head_dim": sizes[1], **told})
                results.save()
                say(
                    f"first call, {cache} cache  {peer:<12}{told['seconds']:8.2f} s, "
                    f"then {told['other_length_s']:.2f} s for another length"
                )
                for line in _breakdown(told):
                    say(f"  {line}")


def _breakdown(told: dict[str, Any]) -> Iterator[str]:
    """Lines about what takes longer than a few milliseconds."""
    if "import_s" in told:
        yield f"before the clock: importing splashgen {told['import_s']:.2f} s"
    for phase, parts in told.get("parts", {}).items():
        yield f"{phase} {parts['seconds']:.3f} s"
        for name, seconds, count in sorted(parts["spans"], key=lambda part: -part[1]):
            if seconds >= _SHOWN_S:
                yield f"  {seconds:8.3f} s  {name}" + (f" ({count} times)" if count > 1 else "")
        for place, seconds in parts["elsewhere"]:
            if seconds >= _SHOWN_S:
                yield f"  {seconds:8.3f} s  elsewhere: {place}"


def _child(peer: str, sizes: tuple[int, int], device: str, folder: Path) -> tuple[dict[str, Any] | None, str]:
    environment = os.environ | {name: str(folder / name.lower()) for name in _CACHES}
    # The package may run from a checkout: the child finds it where this process did.
    root = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", __name__, peer, str(sizes[0]), str(sizes[1]), device]
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S)
    except subprocess.TimeoutExpired:
        return None, f"it took longer than {_LIMIT_S:.0f} s."
    if ended.returncode != 0:
        return None, (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1][:300]
    told: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return told, ""


def _measure(peer_name: str, seq_len: int, head_dim: int, device_name: str) -> dict[str, Any]:
    import torch

    from splashgen.bench.cells import Cell
    from splashgen.problem import DType

    device = torch.device(device_name)
    dtype = DType.FLOAT32 if device.type == "cpu" else DType.BFLOAT16
    # What torch starts and imports itself at the first gradient is there before the clock is: the device, the
    # device's thread, and, where the output's gradient is given, hundreds of modules for symbolic shapes.
    warm = torch.randn(64, 64, device=device, requires_grad=True)
    torch.autograd.grad(warm @ warm, warm, torch.ones_like(warm))
    began = time.perf_counter()
    from splashgen.bench.peers import PEERS

    told: dict[str, Any] = {"import_s": round(time.perf_counter() - began, 4)}
    peer, spans = PEERS[peer_name], Spans()
    ours = peer_name == "ours"
    phases: dict[str, dict[str, Any]] = {}

    def timed(phase: str, work: Callable[[], Any]) -> Any:
        _synchronize(device)
        began = time.perf_counter()
        result = work()
        with spans.span("the device"):
            _synchronize(device)
        phases[phase] = {
            "seconds": round(time.perf_counter() - began, 4),
            "spans": spans.take(),
            "elsewhere": spans.elsewhere(),
        }
        return result

    def seconds(n: int) -> float:
        cell = Cell(n, head_dim, "gaussian", 1, 2, dtype)
        shape = (4, 1, 2, n, head_dim)
        drawn = torch.randn(shape, device=device).to(getattr(torch, dtype.value))
        q, k, v = (tensor.requires_grad_() for tensor in drawn[:3].unbind())

        out = timed("forward", lambda: peer.attend(cell, device)(q, k, v))
        timed("backward", lambda: torch.autograd.grad(out, (q, k, v), drawn[3]))
        return round(sum(phase["seconds"] for phase in phases.values()), 4)

    if ours:
        instrument(spans, triton=device.type == "cuda")
    with spans.watching() if ours else contextlib.nullcontext():
        told["seconds"] = seconds(seq_len)
    if ours:
        told["parts"] = phases.copy()
    told["other_length_s"] = seconds(
        seq_len // 2 if peer_name == "adasplash2" else seq_len - 77  # AdaSplash-2 wants a power of two
    )
    return told


def _synchronize(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    name, length, dim, where = sys.argv[1:]
    print(json.dumps(_measure(name, int(length), int(dim), where)))

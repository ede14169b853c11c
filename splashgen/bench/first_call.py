"""How long the first forward and backward of a process take, with empty caches and with warm ones.

`python -m splashgen.bench.first_call PEER SEQ_LEN HEAD_DIM DEVICE` is one such process: it prints JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from splashgen.bench.results import Results

__all__ = ["measure_first_calls"]

_LIMIT_S = 400.0
_CACHES = ("TRITON_CACHE_DIR", "SPLASHGEN_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")


def measure_first_calls(
    results: Results,
    session: int,
    peers: list[str],
    sizes: tuple[int, int],
    device: str,
    say: Callable[[str], None],
) -> None:
    """Two processes a peer, the first with empty caches, the second with what the first left in them."""
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


def _child(
    peer: str, sizes: tuple[int, int], device: str, folder: Path
) -> tuple[dict[str, float] | None, str]:
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
    told: dict[str, float] = json.loads(ended.stdout.strip().splitlines()[-1])
    return told, ""


def _measure(peer_name: str, seq_len: int, head_dim: int, device_name: str) -> dict[str, Any]:
    import torch

    from splashgen.bench.cells import Cell
    from splashgen.bench.peers import PEERS
    from splashgen.problem import DType

    device = torch.device(device_name)
    dtype = DType.FLOAT32 if device.type == "cpu" else DType.BFLOAT16
    peer = PEERS[peer_name]
    # The device and autograd's own threads are started before the clock is.
    warm = torch.randn(64, 64, device=device, requires_grad=True)
    (warm @ warm).sum().backward()

    def seconds(n: int) -> float:
        cell = Cell(n, head_dim, "gaussian", 1, 2, dtype)
        shape = (4, 1, 2, n, head_dim)
        drawn = torch.randn(shape, device=device).to(getattr(torch, dtype.value))
        q, k, v = (tensor.requires_grad_() for tensor in drawn[:3].unbind())
        _synchronize(device)
        began = time.perf_counter()
        out = peer.attend(cell, device)(q, k, v)
        torch.autograd.grad(out, (q, k, v), drawn[3])
        _synchronize(device)
        return round(time.perf_counter() - began, 4)

    first = seconds(seq_len)
    other = seq_len // 2 if peer_name == "adasplash2" else seq_len - 77  # AdaSplash-2 wants a power of two
    return {"seconds": first, "other_length_s": seconds(other)}


def _synchronize(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    name, length, dim, where = sys.argv[1:]
    print(json.dumps(_measure(name, int(length), int(dim), where)))

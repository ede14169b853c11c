"""`bench --prepare`: what is compiled there is what first calls find."""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import splashgen
from splashgen.bench.cells import GRID, Cell
from splashgen.bench.compilations import Compilation
from splashgen.bench.peers import ADASPLASH2, OURS, PEERS, Attend, Peer
from splashgen.bench.prepare import prepare
from splashgen.gpu import CPU, KNOWN_GPUS, Gpu
from splashgen.problem import DType

H100 = KNOWN_GPUS["h100"]
CELL = Cell(64, 16, "gaussian", 1, 2, DType.FLOAT16)


JOBS = """
import time
from dataclasses import dataclass
from splashgen.compile.warm import Filled
from splashgen.gpu import KNOWN_GPUS, Gpu

@dataclass(frozen=True)
class Job:
    config: str
    gpu: Gpu = KNOWN_GPUS["h100"]

    def run(self):
        if self.config == "hangs":
            time.sleep(1e3)
        if self.config == "fails":
            raise ValueError("it does not compile")
        return Filled(int(self.config == "new"), int(self.config == "known"), False, 0.0)
"""
"""Work for compile processes, which import it."""


def _attend(cell: Cell, device: torch.device) -> Attend:
    raise AssertionError("Nothing is called.")


def _peer(name: str, jobs: Sequence[str], **facts: object) -> Peer:
    def compilations(cell: Cell, gpu: Gpu) -> list[Compilation]:
        module = importlib.import_module("jobs_to_prepare")
        return [Compilation(f"{name}, {job}", module.Job(job), 1.0) for job in jobs]

    return Peer(name, name, _attend, compilations=compilations, **facts)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile processes find the jobs too."""
    (tmp_path / "jobs_to_prepare.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.slow
def test_what_fails_or_hangs_is_left_out_with_a_line() -> None:
    said: list[str] = []
    peers = [_peer("a", ["new", "known", "hangs"]), _peer("b", ["fails", "known"])]
    done = prepare([CELL], peers, H100, said.append, processes=2, limit_s=8.0)
    # Both have the same job, which is done once.
    assert (done.compiled, done.found, done.left_out) == (1, 1, 2)
    left_out = sorted(line for line in said if line.startswith("Left out"))
    assert "a, hangs" in left_out[0] and "ended after 8 s" in left_out[0]
    assert "b, fails" in left_out[1] and "it does not compile" in left_out[1]
    assert said[0].startswith("4 pieces of work, 2 at a time")


def test_who_is_missing_or_refuses_is_not_prepared() -> None:
    peers = [
        _peer("missing", ["hangs"], package="no_such_package"),
        _peer("refuses", ["hangs"], refusal=lambda cell, device: "It cannot."),
    ]
    said: list[str] = []
    assert prepare([CELL], peers, H100, said.append).compiled == 0
    assert said[0].startswith("0 pieces of work")


def test_a_cpu_is_refused() -> None:
    with pytest.raises(ValueError, match="name one with --gpu"):
        prepare([CELL], [OURS], CPU, print)


def test_the_grid_has_work_for_every_core_and_each_piece_once() -> None:
    seen: list[object] = []
    for cell in GRID:
        seen += [piece.job for piece in OURS.compilations(cell, H100)]
    assert 0 < len(set(seen)) < len(seen), "Lengths share kernels."
    pieces = ADASPLASH2.compilations(GRID[0], H100)
    assert len({piece.job for piece in pieces}) == len(pieces) == 62
    longer = ADASPLASH2.compilations(Cell(65536, 128, "gaussian", 1, 16), H100)
    assert max(piece.seconds for piece in longer) > max(piece.seconds for piece in pieces)
    assert not PEERS["flash2"].compilations(GRID[0], H100)


TOY = """
import torch, triton
import triton.language as tl

@triton.autotune([triton.Config({"BLOCK": size}, num_warps=warps) for size in (32, 64) for warps in (1, 2)],
                 key=["n"], restore_value=["out"])
@triton.jit
def scale_rows(x, out, n: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < n) * 2, mask=at < n)

class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v):
        out = torch.empty_like(q)
        scale_rows[lambda meta: (triton.cdiv(q.numel(), meta["BLOCK"]),)](q, out, q.numel())
        return out

    @staticmethod
    def backward(ctx, dout):
        dq = torch.empty(dout.shape, dtype=torch.float32, device=dout.device)
        scale_rows[lambda meta: (triton.cdiv(dq.numel(), meta["BLOCK"]),)](dout.float(), dq, dq.numel())
        return dq.to(dout.dtype), dout, dout

def attend(cell, device):
    return Scaled.apply
"""
CHILD = """
import json, torch, triton
from triton.runtime.autotuner import Autotuner
from splashgen.bench.cells import Cell
from splashgen.bench.compilations import Candidate, Compilation
from splashgen.bench.peers import Peer
from splashgen.bench.prepare import prepare
from splashgen.compile.recorder import compiling_for
from splashgen.compile.warm import counting
from splashgen.gpu import KNOWN_GPUS
import toy

gpu, cell = KNOWN_GPUS["h100"], Cell(64, 16, "gaussian", 1, 2)

def compilations(cell, gpu):
    return [Compilation("toy", Candidate(toy.attend, cell, gpu, part, 4), 1.0) for part in range(4)]

peer = Peer("toy", "Toy", toy.attend, compilations=compilations)
runs = [prepare([cell], [peer], gpu, lambda line: None, 2) for _ in range(2)]
tried = []
Autotuner.do_bench = lambda self, call, quantiles: tried.append(call()) or [1.0, 1.0, 1.0]
with counting() as hits, compiling_for(gpu):
    q, k, v, dout = (torch.empty(1, 2, 64, 16, dtype=torch.bfloat16, device="meta") for _ in range(4))
    out = toy.attend(cell, q.device)(q.requires_grad_(), k, v)
    torch.autograd.grad(out, q, dout)
told = {"runs": [[run.compiled, run.found, run.left_out] for run in runs], "hits": hits, "tried": len(tried)}
print(json.dumps(told))
"""


@pytest.mark.slow
def test_an_autotuner_finds_all_its_candidates(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    root = str(Path(splashgen.__file__).parents[1])
    environment |= {"TRITON_CACHE_DIR": str(tmp_path / "t"), "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}
    command = [sys.executable, "-c", CHILD]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = json.loads(ended.stdout)
    assert told["runs"] == [[8, 0, 0], [0, 8, 0]]
    assert told["hits"] == [True] * 8 and told["tried"] == 8


def test_it_can_be_ended_in_the_middle() -> None:
    def say(line: str) -> None:
        if line.startswith("Left out"):
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        prepare([CELL], [_peer("a", ["hangs", "fails"])], H100, say, processes=2)
    assert time.monotonic() - began < 60.0, "It waited for the one that hangs."

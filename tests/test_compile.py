"""Compilation for GPUs that are not here. Everything real runs in processes without Triton's interpreter."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from splashgen.alpha import AlphaClass
from splashgen.cases import case_for
from splashgen.compile import CompiledKernel, CompilePool, Job, fits
from splashgen.compile.inputs import meta_inputs
from splashgen.compile.pool import NotStartedError
from splashgen.compile.recorder import compiling_for
from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem
from splashgen.store import Regime

H100, MI300X, A10G = (KNOWN_GPUS[slug] for slug in ("h100", "mi300x", "a10g"))

TINY_MODULE = """
import torch
import triton
import triton.language as tl

@triton.jit
def product_kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    rows = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, BLOCK), tl.float32)
    for start in range(0, n, BLOCK):
        x = tl.load(x_ptr + rows[:, None] * n + start + rows[None, :])
        total = tl.dot(x, x.T, total)
    tl.store(out_ptr + rows[:, None] * BLOCK + rows[None, :], total)

def forward(x, block):
    out = torch.empty(block, block, device=x.device)
    product_kernel[(1,)](x, out, x.shape[1], BLOCK=block, num_warps=4, num_stages=3)
    return out
"""

TINY_SCRIPT = """
import json, sys, torch, triton, tiny
from splashgen.compile.kernels import described
from splashgen.compile.recorder import compiling_for
from splashgen.gpu import KNOWN_GPUS

x = torch.empty(128, 1024, dtype=torch.float16, device="meta")
said = {}
for slug in sys.argv[1:]:
    with compiling_for(KNOWN_GPUS[slug]) as compiled:
        for block in (64, 128, 64):
            tiny.forward(x, block)
    said[slug] = [[k.shared_memory, k.registers, k.spills] for k in map(described, compiled.values())]
assert triton.runtime.driver._active is None
print(json.dumps(said))
"""


def run_without_interpreter(script: str, *arguments: str, folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    paths = [str(Path(__file__).parents[1]), str(folder), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_launches_become_compilations_for_the_chosen_chip(tmp_path):
    (tmp_path / "tiny.py").write_text(TINY_MODULE)
    said = json.loads(run_without_interpreter(TINY_SCRIPT, "a100", "h100", "mi300x", folder=tmp_path))
    assert [len(kernels) for kernels in said.values()] == [2, 2, 2], "a repeated launch is told once"
    small, large = said["h100"]
    # Three stages of one float16 tile each: the loop is pipelined, so pointers counted as aligned.
    assert small[0] == 3 * 64 * 64 * 2
    assert large[0] == 3 * 128 * 128 * 2
    assert all(registers >= 32 for kernels in said.values() for _, registers, _ in kernels)
    assert said["a100"] != said["h100"] != said["mi300x"]


def test_the_interpreter_is_refused(monkeypatch):
    triton = pytest.importorskip("triton")
    monkeypatch.setattr(triton.knobs.runtime, "interpret", True)
    with pytest.raises(RuntimeError, match="TRITON_INTERPRET=1"), compiling_for(H100):
        pass


def test_a_device_without_a_compiler_is_refused(monkeypatch):
    triton = pytest.importorskip("triton")
    monkeypatch.setattr(triton.knobs.runtime, "interpret", False)
    with pytest.raises(ValueError, match="only cuda and hip"), compiling_for(CPU):
        pass


def test_fits_names_the_kernel_and_both_numbers():
    small = CompiledKernel("small", 1024, 40, 0, 4)
    large = CompiledKernel("large", 150_000, 255, 12, 8)
    assert fits([small, large], H100) is None, "spills are slow, not wrong"
    assert fits([small, large], A10G) == (
        "large needs 150000 bytes of shared memory a block, but NVIDIA A10G has 101376."
    )
    assert "tensor memory" in (fits([CompiledKernel("wide", 0, 40, 0, 4, 513)], KNOWN_GPUS["b200"]) or "")


class _Unpickled:
    """In the worker, becomes a call: a compiler that does something unexpected."""

    def __init__(self, function, argument):
        self.call = function, (argument,)

    def __reduce__(self):
        return self.call


PROBLEM = Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, seq_len=64)


def test_a_compiler_that_dies_or_hangs_costs_its_own_job_alone():
    unknown = Config.of("no_such_family", {})
    dies, hangs = _Unpickled(os._exit, 3), _Unpickled(time.sleep, 60)
    with CompilePool(processes=1) as pool:
        futures = [pool.submit(Job(PROBLEM, config, H100)) for config in (dies, unknown)]
        with pytest.raises(KernelError, match="ended with code 3"):
            futures[0].result()
        with pytest.raises(KernelError, match="no kernel family 'no_such_family'"):
            futures[1].result()
    with CompilePool(processes=1, limit_s=0.5) as pool:
        futures = [pool.submit(Job(PROBLEM, hangs, H100)) for _ in range(2)]
        for future in futures:
            with pytest.raises(KernelError, match=r"ended with code -9.*after 0\.5 s"):
                future.result()


def test_a_process_that_cannot_be_started_costs_its_own_job_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = Job(PROBLEM, Config.of("no_such_family", {}), H100)
    with CompilePool(processes=1) as pool:
        with monkeypatch.context() as full:
            full.setattr("splashgen.compile.pool._start", _no_files)
            with pytest.raises(NotStartedError, match=r"could not be started: .* Too many open files"):
                pool.submit(unknown).result()
        with pytest.raises(KernelError, match="no kernel family"):
            pool.submit(unknown).result()


def _no_files() -> None:
    raise OSError(errno.EMFILE, "Too many open files")


def test_a_pool_needs_a_process():
    with pytest.raises(ValueError, match="processes is 0"):
        CompilePool(processes=0)


def kinds(value):
    """Tensors by what Triton sees of them; everything else as it is."""
    if isinstance(value, torch.Tensor):
        return value.dtype, value.stride(), value.shape, value.device.type
    return {name: kinds(each) for name, each in value.items()} if isinstance(value, dict) else value


FEATURES = (
    {},
    {"alibi": True, "key_padding": True, "attn_mask": True, "causal": True},
    {"window": True, "grouped": True},
    {"learned_alpha": True},
)


@pytest.mark.parametrize("flags", FEATURES)
def test_meta_inputs_are_what_timings_draw(flags):
    alpha = AlphaClass.GENERIC if "learned_alpha" in flags else AlphaClass.TWO
    problem = Problem(Operation.ATTENTION, alpha, DType.BFLOAT16, 8192, 16, 32, **flags)
    case = case_for(problem.operation)
    assert kinds(meta_inputs(problem)) == kinds(
        case.draw(problem, case.timed[Regime.MIXED][0], 0, torch.device("meta"))
    )


def test_packed_meta_inputs_differ_from_what_timings_draw_in_their_lengths_alone():
    problem = Problem(Operation.ATTENTION, AlphaClass.TWO, DType.BFLOAT16, 8192, 16, 16, varlen=True)
    case = case_for(problem.operation)
    ours, drawn = (
        meta_inputs(problem),
        case.draw(problem, case.timed[Regime.MIXED][0], 0, torch.device("meta")),
    )
    assert ours.keys() == drawn.keys() and ours["features"].keys() == drawn["features"].keys()
    for name in ("q", "k", "v", "dout"):
        assert (ours[name].dtype, ours[name].stride()) == (drawn[name].dtype, drawn[name].stride())
        assert ours[name].shape[1:] == drawn[name].shape[1:]


@pytest.mark.parametrize("alpha", [AlphaClass.TWO, AlphaClass.GENERIC])
def test_entmax_meta_inputs_are_what_timings_draw(alpha):
    problem = Problem(Operation.ENTMAX, alpha, DType.FLOAT16, 65536)
    case = case_for(problem.operation)
    assert kinds(meta_inputs(problem)) == kinds(
        case.draw(problem, case.timed[Regime.MIXED][0], 0, torch.device("meta"))
    )


GATE_SCRIPT = """
import json, torch
from splashgen.alpha import AlphaClass
from splashgen.cases import case_for
from splashgen.compile.inputs import meta_inputs
from splashgen.compile.recorder import compiling_for
from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.kernel import build
from splashgen.problem import DType, Operation, Problem

gpu = KNOWN_GPUS["h100"]
problem = Problem(Operation.ATTENTION, AlphaClass.TWO, DType.FLOAT16, 300, 32, 32)
case = case_for(problem.operation)

def compiled(inputs):
    with compiling_for(gpu) as kernels:
        kernel = build(problem, family_for(problem, gpu).default(problem, gpu))
        case.backward(kernel, inputs, case.forward(kernel, inputs))
    return set(kernels)

ahead = compiled(meta_inputs(problem))
later = {w: compiled(case.draw(problem, w, 0, torch.device("meta"))) - ahead for w in case.workloads}
print(json.dumps([len(ahead), [w for w, more in later.items() if more]]))
"""


def test_the_gate_compiles_nothing_that_was_not_compiled_ahead(tmp_path):
    count, workloads = json.loads(run_without_interpreter(GATE_SCRIPT, folder=tmp_path))
    assert count >= 4
    assert workloads == []


def test_the_pool_counts_what_it_has_not_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(CompilePool, "_compile", lambda pool, job: gate.wait(10))
    problem = Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, 1024)
    with CompilePool(processes=1) as pool:
        first, *_ = [pool.submit(Job(problem, Config.of("entmax_triton", {}), H100)) for _ in range(3)]
        assert pool.pending == 3
        gate.set()
        first.result()
    assert pool.pending == 0, "closing drops the rest"

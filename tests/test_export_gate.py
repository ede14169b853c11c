"""What is exported passes the gate that tuned kernels pass, in a process that has no splashgen.

Ahead-of-time folders run without triton or a compiler, and agree to the bit with what Triton compiles.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from splashgen.alpha import AlphaClass
from splashgen.aot import export_aot
from splashgen.budget import judge
from splashgen.cases import Inputs, Outputs, case_for
from splashgen.export import export
from splashgen.gpu import detect
from splashgen.problem import DType, Operation, Problem
from splashgen.store import lookup
from splashgen.tune.measure.gate import final_questions, trial_questions

RUN = """
import sys
for name in ("splashgen", *sys.argv[4:]):
    sys.modules[name] = None  # any import of it fails
import exported, torch

def run(inputs):
    names = ["q", "k", "v"] if "q" in inputs else ["x"]
    scale = [inputs["scale"]] if "q" in inputs else []
    training = sys.argv[3] == "True"
    leaves = [inputs[name].detach().requires_grad_(training) for name in names]
    operation = exported.attention if "q" in inputs else exported.entmax
    out = operation(*leaves, *scale, **inputs["features"])
    found = {"out": out.detach()}
    if training:
        gradients = torch.autograd.grad(out, leaves, inputs["dout" if "q" in inputs else "dy"])
        found |= {"d" + name: gradient for name, gradient in zip(names, gradients)}
    return found

torch.save([run(inputs) for inputs in torch.load(sys.argv[1])], sys.argv[2])
"""

PROBLEMS = [
    Problem(Operation.ATTENTION, AlphaClass.THREE_HALVES, DType.BFLOAT16, 2048, 64, 64, causal=True),
    # 16 does not divide the strides of these.
    Problem(Operation.ATTENTION, AlphaClass.TWO, DType.FLOAT16, 700, 72, 40),
    Problem(
        Operation.ATTENTION,
        AlphaClass.GENERIC,
        DType.BFLOAT16,
        1024,
        128,
        128,
        training=False,
        window=True,
        alibi=True,
        grouped=True,
    ),
    Problem(Operation.ENTMAX, AlphaClass.THREE_HALVES, DType.FLOAT32, 3000),
]


def answers(folder: Path, drawn: list[Inputs], training: bool, *absent: str) -> list[Outputs]:
    """What the module `exported` in the folder makes of the inputs, on its own."""
    torch.save(drawn, folder / "inputs.pt")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CC")}
    if absent:
        environment |= {"PATH": "", "TRITON_CACHE_DIR": str(folder / "empty")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, "inputs.pt", "outputs.pt", str(training), *absent],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[Outputs] = torch.load(folder / "outputs.pt")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_exports_pass_the_gate(problem: Problem, device: torch.device, tmp_path: Path) -> None:
    gpu, case = detect(device), case_for(problem.operation)
    problem = problem if device.type == "cuda" else replace(problem, dtype=DType.FLOAT32, seq_len=128)
    ask = final_questions if device.type == "cuda" else trial_questions
    config = lookup(problem, gpu).config
    asked = [(replace(problem, seq_len=each.seq_len), each) for each in ask(problem, 4711, device)]
    drawn = [case.draw(short, each.workload, each.seed, device) for short, each in asked]
    (tmp_path / "exported.py").write_text(export(problem, config))
    results = [answers(tmp_path, drawn, problem.training)]
    if device.type == "cuda":
        (tmp_path / "aot").mkdir()
        export_aot(problem, config, gpu, tmp_path / "aot" / "exported")
        results.append(answers(tmp_path / "aot", drawn, problem.training, "triton"))
    for found in results:
        for (short, question), inputs, outputs in zip(asked, drawn, found, strict=True):
            verdict = judge(outputs, case.truth(short, inputs), case.rounded_once(short, inputs))
            assert verdict.passed, f"{question}: {verdict.sentence}"
    if device.type == "cuda" and problem.causal:  # the usual strides: both run the same binaries
        for ours, theirs in zip(*results, strict=True):
            assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

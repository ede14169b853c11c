"""The exported file, in a process where splashgen cannot be imported."""

import os
import subprocess
import sys

import pytest
import torch

from splashgen import reference
from splashgen.alpha import AlphaClass
from splashgen.export import export
from splashgen.families import families, family_for
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem

RUN = """
import sys
sys.modules["splashgen"] = None  # any import of it fails
import exported, torch

inputs, keywords, name = torch.load(sys.argv[1])
leaves = [tensor.requires_grad_(tensor.is_floating_point()) for tensor in inputs]
out = getattr(exported, name)(*leaves, **keywords)
(out * torch.linspace(0.5, 1.5, out.shape[-1], dtype=out.dtype)).sum().backward()
torch.save([out.detach(), *(leaf.grad for leaf in leaves)], sys.argv[2])
"""


def run_alone(folder, source, name, inputs, keywords=None):
    """Call the exported function, and differentiate it, without splashgen."""
    (folder / "exported.py").write_text(source)
    torch.save((inputs, keywords or {}, name), folder / "inputs.pt")
    done = subprocess.run(
        [sys.executable, "-c", RUN, "inputs.pt", "outputs.pt"],
        cwd=folder,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return torch.load(folder / "outputs.pt")


def truth_of(function, inputs):
    """The same in float64."""
    leaves = [tensor.double().requires_grad_() for tensor in inputs]
    out = function(*leaves)
    (out * torch.linspace(0.5, 1.5, out.shape[-1], dtype=out.dtype)).sum().backward()
    return [out.detach(), *(leaf.grad for leaf in leaves)]


def assert_close(ours, truth, tolerance=1e-4):
    for mine, right in zip(ours, truth, strict=True):
        assert torch.linalg.norm(mine.double() - right) <= tolerance * torch.linalg.norm(right)


def default_export(problem, gpu):
    return export(problem, family_for(problem, gpu).default(problem, gpu))


def attention_inputs(kv_heads=2, n=70, dim=32):
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(1, heads, n, dim, generator=generator) for heads in (2, kv_heads, kv_heads)]


@pytest.mark.parametrize("slug", ["cpu", "h100"])
def test_exported_attention_agrees_with_the_reference(tmp_path, slug):
    gpu = CPU if slug == "cpu" else KNOWN_GPUS[slug]
    problem = Problem(Operation.ATTENTION, AlphaClass.THREE_HALVES, DType.FLOAT32, 70, 32, 32, causal=True)
    inputs = attention_inputs()
    ours = run_alone(tmp_path, default_export(problem, gpu), "attention", inputs)
    truth = truth_of(lambda q, k, v: reference.attention(q, k, v, alpha=1.5, is_causal=True), inputs)
    assert_close(ours, truth)


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["cpu", "h100"])
def test_exported_attention_passes_its_features_on(tmp_path, slug):
    gpu = CPU if slug == "cpu" else KNOWN_GPUS[slug]
    problem = Problem(
        Operation.ATTENTION, AlphaClass.GENERIC, DType.FLOAT32, 70, 32, 32, window=True, grouped=True
    )
    inputs = attention_inputs(kv_heads=1)
    keywords = {"alpha": 1.7, "window_left": 20, "window_right": 3}
    ours = run_alone(tmp_path, default_export(problem, gpu), "attention", inputs, keywords)
    truth = truth_of(lambda q, k, v: reference.attention(q, k, v, alpha=1.7, window_size=(20, 3)), inputs)
    assert_close(ours, truth)


@pytest.mark.parametrize("slug", ["cpu", pytest.param("h100", marks=pytest.mark.slow)])
@pytest.mark.parametrize("alpha", [AlphaClass.TWO, pytest.param(AlphaClass.GENERIC, marks=pytest.mark.slow)])
def test_exported_entmax_agrees_with_the_reference(tmp_path, slug, alpha):
    gpu = CPU if slug == "cpu" else KNOWN_GPUS[slug]
    problem = Problem(Operation.ENTMAX, alpha, DType.FLOAT32, 50)
    inputs = [torch.randn(3, 4, 50, generator=torch.Generator().manual_seed(7))]
    keywords = {"alpha": 1.3} if alpha is AlphaClass.GENERIC else {}
    ours = run_alone(tmp_path, default_export(problem, gpu), "entmax", inputs, keywords)
    truth = truth_of(lambda x: reference.entmax(x, alpha.alpha or 1.3), inputs)
    assert_close(ours, truth)


FLAGS = ({}, {"causal": True, "training": False}, {"varlen": True, "alibi": True, "window": True})


@pytest.mark.parametrize("flags", [*FLAGS, {"learned_alpha": True, "key_padding": True, "attn_mask": True}])
def test_every_family_exports_python(flags):
    for family in families():
        if family.operation is Operation.ENTMAX and set(flags) - {"training"}:
            continue
        dims = (64, 80) if family.operation is Operation.ATTENTION else ()
        problem = Problem(family.operation, AlphaClass.GENERIC, DType.FLOAT32, 64, *dims, **flags)
        if not family.supports(problem):
            continue
        source = export(problem, family.default(problem, KNOWN_GPUS["h100"]))
        compile(source, "exported.py", "exec")
        assert "splashgen" not in source.replace("# Generated by splashgen", "", 1)
        assert source.endswith("\n") and not source.endswith("\n\n")

"""Density and truth at sampled rows, row-wise entmax, solvers, first calls."""

from pathlib import Path

import pytest
import torch

from splashgen.bench.cells import Cell
from splashgen.bench.drawing import inputs_of
from splashgen.bench.first_call import measure_first_calls
from splashgen.bench.results import Results
from splashgen.bench.rowwise import measure_rowwise
from splashgen.bench.solvers import SOLVERS, passes
from splashgen.bench.truth import Sample, density_of
from splashgen.density import tile_density
from splashgen.problem import DType
from splashgen.reference import attention_gradients

CPU = torch.device("cpu")


@pytest.mark.parametrize("causal", [True, False])
def test_density_block_by_block_is_the_whole_heads(causal: bool) -> None:
    cell = Cell(300, 32, "clustered1", 1, 2, DType.FLOAT32, causal=causal)
    tensors = inputs_of(cell, CPU)
    whole = tile_density(tensors["q"][:, 1:].detach(), tensors["k"][:, 1:].detach(), 1.5, causal)
    assert 0.0 < whole < 1.0
    assert density_of(cell, tensors) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("causal", [True, False])
def test_the_truth_at_sampled_rows_is_the_truth(causal: bool) -> None:
    """More rows than are sampled: `dk` and `dv` are still complete, because dout is zero elsewhere."""
    cell = Cell(1300, 16, "gaussian", 1, 1, DType.FLOAT32, causal=causal)
    tensors = inputs_of(cell, CPU)
    sample = Sample(cell, tensors)
    assert int((sample.dout != 0).any(-1).sum()) < cell.seq_len
    q, k, v = (tensors[name].detach() for name in ("q", "k", "v"))
    exact = attention_gradients(q, k, v, sample.dout, is_causal=causal)
    errors = sample.errors({name: tensor.float() for name, tensor in exact.items()}, softmax=False)
    assert all(found < 1e-6 for found, _ in errors.values())
    exact["dv"][:, :, 3] += 1.0
    spoiled = sample.errors({name: tensor.float() for name, tensor in exact.items()}, softmax=False)
    assert spoiled["dv"][0] > 1e-2


def test_row_wise_entmax_is_timed_beside_a_copy(tmp_path: Path) -> None:
    results, said = Results(tmp_path / "cpu.json"), []
    session = results.begin({"gpu": "cpu", "date": "2026-11-23"})
    measure_rowwise(results, session, CPU, [512], 2, said.append)
    peers = Results(results.path).data["entmax"]["512"]["peers"]
    assert len(peers["ours"]["ms"]) == len(peers["copy"]["ms"]) == 2
    assert peers["ours"]["error"] < 1e-5
    assert any("GB/s" in line for line in said)


def test_the_papers_claim_of_passes() -> None:
    """Bisection against Halley-bisection, 23 passes against 3 in the paper, and ours from tile maxima."""
    rows = {(row["solver"], row["start"]): row for row in passes(CPU, rows=8)}
    epsilon = "float32's epsilon"
    assert len(rows) == 3 * len(SOLVERS)
    assert 20 <= rows["bisection", "midpoint"]["passes"][epsilon]["worst"] <= 24
    assert rows["Halley-bisection on f", "midpoint"]["passes"][epsilon]["worst"] <= 3
    ours = rows["Halley on g, bracketed", "tile maxima"]
    assert ours["passes"][epsilon]["worst"] <= 2
    assert ours["passes"]["float64's limit"]["worst"] <= 3
    assert ours["ms"]


@pytest.mark.slow
def test_first_calls_are_measured_in_processes_of_their_own(tmp_path: Path) -> None:
    results, said = Results(tmp_path / "cpu.json"), []
    session = results.begin({"gpu": "cpu", "date": "2026-11-23"})
    measure_first_calls(results, session, ["ours", "adasplash2"], (128, 16), "cpu", said.append)
    calls = Results(results.path).data["first_calls"]
    assert [(call["peer"], call["cache"]) for call in calls] == [("ours", "cold"), ("ours", "warm")]
    assert all(0.0 < call["seconds"] < 60.0 for call in calls)
    for call in calls:
        forward, backward = call["parts"]["forward"], call["parts"]["backward"]
        assert call["seconds"] == pytest.approx(forward["seconds"] + backward["seconds"], abs=1e-3)
        told = {name: seconds for name, seconds, _ in forward["spans"]}
        assert {"look up", "render", "run the rendered file"} <= set(told)
        assert 0.0 < sum(told.values()) <= forward["seconds"] + 1e-3
    assert "failed" in said[-1], "AdaSplash-2 has no CPU kernel, or is not installed."

"""Workloads are reproducible, have the shapes asked for, and the densities that they are named for."""

import math

import pytest
import torch

from splashgen import reference
from splashgen.workloads import (
    ROW_WORKLOADS,
    WORKLOADS,
    Shape,
    attention_tensors,
    entmax_scores,
    ragged_lengths,
    tile_density,
)


def largest_score(workload: str) -> float:
    x = attention_tensors(workload, Shape(1, 1, 1, 512, 512, 64, 16), 0)
    return float((x["q"] @ x["k"].mT / 8).abs().max())


@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("lengths", [(1, 1), (70, 33), (33, 70)])
def test_every_workload_has_any_shape_and_one_value_a_seed(workload, lengths):
    shape = Shape(2, 4, 2, *lengths, 16, 24)
    x, again, other = (attention_tensors(workload, shape, seed) for seed in (5, 5, 6))
    assert x["q"].shape == (2, 4, lengths[0], 16) and x["k"].shape == (2, 2, lengths[1], 16)
    assert x["v"].shape == (2, 2, lengths[1], 24) and x["dout"].shape == (2, 4, lengths[0], 24)
    for name in x:
        assert x[name].dtype == torch.float32 and x[name].isfinite().all()
        assert torch.equal(x[name], again[name])
        assert not torch.equal(x[name], other[name])


@pytest.mark.parametrize(
    ("workload", "low", "high"),
    [
        ("gaussian", 0.99, 1.0),
        ("clustered1", 0.10, 0.17),
        ("clustered2", 0.16, 0.24),
        ("clustered4", 0.25, 0.36),
        ("clustered8", 0.45, 0.60),
        ("local_sink", 0.03, 0.20),
    ],
)
def test_causal_tile_densities(workload, low, high):
    x = attention_tensors(workload, Shape(1, 1, 1, 3072, 3072, 64, 16), 0)
    assert low <= tile_density(x["q"], x["k"], 1.5, causal=True) <= high


@pytest.mark.parametrize("causal", [False, True])
def test_density_counts_the_tiles_of_the_definition(causal):
    x = attention_tensors("clustered2", Shape(1, 2, 1, 130, 150, 16, 16), 1)
    q, k = x["q"].double(), x["k"].double()
    scores = q @ k.repeat_interleave(2, 1).mT / 4
    visible = torch.arange(150) <= torch.arange(130)[:, None] + 20 if causal else torch.ones(130, 150) > 0
    positive = reference.entmax(torch.where(visible, scores, -torch.inf), 1.35) > 0
    alive = sum(
        positive[:, :, i : i + 32, j : j + 32].flatten(2).any(-1).sum()
        for i in range(0, 130, 32)
        for j in range(0, 150, 32)
    )
    tiles = 2 * sum(
        visible[i : i + 32, j : j + 32].any() for i in range(0, 130, 32) for j in range(0, 150, 32)
    )
    assert tile_density(q, k, 1.35, causal, block=32) == pytest.approx(float(alive / tiles))


def test_extreme_scores_are_extreme_and_ties_tie():
    assert 150 < largest_score("extreme") < 300
    x = attention_tensors("ties", Shape(1, 1, 1, 8, 64, 32, 16), 0)
    scores = x["q"] @ x["k"].mT
    assert all(row.unique().numel() <= 4 for row in scores[0, 0])


def test_ragged_lengths_differ_and_take_turns():
    pairs = [ragged_lengths(100, torch.Generator().manual_seed(seed)) for seed in range(20)]
    assert all(max(pair) == 100 and 50 <= min(pair) < 100 for pair in pairs)
    assert {q > k for q, k in pairs} == {True, False}
    assert ragged_lengths(1, torch.Generator()) == (1, 1)


@pytest.mark.parametrize("workload", ROW_WORKLOADS)
def test_rows_of_scores(workload):
    x = entmax_scores(workload, 5, 40, 3)
    assert x.shape == (5, 40) and torch.equal(x, entmax_scores(workload, 5, 40, 3))
    assert (x == -math.inf).any() == (workload == "ragged")


def test_unknown_names_and_small_heads_are_refused():
    with pytest.raises(ValueError, match="no workload 'zeros'; there are gaussian"):
        attention_tensors("zeros", Shape(1, 1, 1, 4, 4, 16, 16), 0)
    with pytest.raises(ValueError, match="no rows of workload 'clustered1'"):
        entmax_scores("clustered1", 2, 3, 0)
    with pytest.raises(ValueError, match="head_dim of at least 16"):
        attention_tensors("clustered1", Shape(1, 1, 1, 4, 4, 8, 8), 0)

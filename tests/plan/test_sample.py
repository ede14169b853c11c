"""Supports that are counted on a sample, against what is known of the workloads."""

import pytest

from splashgen.alpha import AlphaClass
from splashgen.plan.sample import row_passes, support
from splashgen.problem import DType
from splashgen.tune.presets import attention, entmax

PROBLEM = attention(DType.BFLOAT16, 64, 2048)


def counted(workload="clustered2", block_m=64, block_n=64, steps=2, tolerance=0.02):
    return support(PROBLEM, workload, block_m, block_n, steps, 4, 2, tolerance)


def test_gaussian_scores_are_dense_and_clustered_ones_are_not() -> None:
    assert counted("gaussian").density > 0.9
    assert counted("clustered2").density < 0.4


def test_the_support_of_clusters_agrees_with_the_reference() -> None:
    """Lists hold the tiles of the support, by `splashgen.density` in float64, and few besides."""
    from splashgen.density import tile_density
    from splashgen.workloads import Shape, attention_tensors

    drawn = attention_tensors("clustered2", Shape(1, 1, 1, 2048, 2048, 64, 64), 0)
    true = tile_density(drawn["q"], drawn["k"], causal=True)
    assert true <= counted().density + 1e-9 <= 1.5 * true


def test_a_finer_tolerance_takes_more_passes() -> None:
    assert counted(tolerance=0.02).passes > counted(tolerance=0.15).passes
    assert counted(tolerance=1e-5).passes > counted(tolerance=0.02).passes


def test_without_a_bound_lists_are_longer() -> None:
    assert counted(steps=0).density >= counted(steps=2).density
    assert counted(steps=0).passes > counted(steps=2).passes


@pytest.mark.parametrize("alpha", list(AlphaClass))
def test_every_alpha_settles(alpha: AlphaClass) -> None:
    assert 1 <= row_passes(entmax(DType.FLOAT32, 512, alpha=alpha), "gaussian") < 32
    assert (
        1
        <= support(attention(DType.BFLOAT16, 64, 256, alpha=alpha), "gaussian", 64, 64, 2, 4, 2, 0.02).passes
        < 40
    )

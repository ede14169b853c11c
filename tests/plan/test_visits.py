"""What the cost model takes the lists of single rows to be."""

import re
from dataclasses import replace

import pytest

from splashgen.alpha import AlphaClass
from splashgen.families import family_named
from splashgen.gpu import KNOWN_GPUS
from splashgen.plan.visits import Visits, few_tiles
from splashgen.problem import DType
from splashgen.render import render
from splashgen.tune.presets import attention

H100 = KNOWN_GPUS["h100"]
PROBLEM = attention(DType.BFLOAT16, 64, 8192)


@pytest.mark.parametrize("alpha", AlphaClass)
def test_lists_stay_whole_where_the_kernels_leave_them(alpha: AlphaClass) -> None:
    problem = replace(PROBLEM, alpha=alpha)
    config = family_named("attention_triton").default(problem, H100)
    few = re.search(r"^FEW = tl.constexpr\((\d+)\)", render(problem, config).source, re.MULTILINE)
    assert few and int(few[1]) == few_tiles(alpha)


def test_short_lists_are_not_marked_and_long_ones_are_where_few_rows_are_needed() -> None:
    config = family_named("attention_triton").default(PROBLEM, H100)
    assert config["grain"] == "rows"
    short = Visits(PROBLEM, config, "timed:local_sink")
    assert short.marked == 0.0 and not short.key_rows and short.keys == short.listed
    long = Visits(PROBLEM, config, "timed:gaussian")
    assert long.marked == long.listed and long.key_rows and long.keys < 0.6 * long.listed
    whole = Visits(PROBLEM, config.replace(grain="tiles"), "timed:gaussian")
    assert whole.marked == 0.0 and whole.keys == whole.queries == whole.listed
    # With a small α nearly every row is needed, and tiles are named although they were marked.
    dense = Visits(replace(PROBLEM, alpha=AlphaClass.SIX_FIFTHS), config, "timed:gaussian")
    assert dense.marked and not dense.key_rows and dense.keys == dense.listed

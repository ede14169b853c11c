"""The fit finds constants that made the times; the judgement counts as it should."""

from dataclasses import replace

import numpy as np
import pytest

from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.plan.constants import START, constants_for, store_constants
from splashgen.plan.fit import Measured, fit
from splashgen.plan.judge import judge, judge_held_out, judge_other_chip
from splashgen.plan.model import predicted_ms
from splashgen.plan.recorded import Recorded
from splashgen.problem import DType
from splashgen.tune.presets import attention

TRUE = replace(START, matrix=0.5, issue=0.4, chain_clocks=500.0, load_clocks=300.0)


def invented(seed: int, gpu: str = "h100", noise: float = 0.0) -> Recorded:
    """Random work of three kernels in two workloads, timed by a chip with the constants `TRUE`."""
    random = np.random.default_rng(seed)
    terms = 10.0 ** random.uniform(-4.0, -3.0, (40, 2, 3, 7))
    terms[..., 2:6] /= 500.0  # seconds a clock
    times = predicted_ms(terms, TRUE) * np.exp(noise * random.standard_normal(40))
    problem, chip = attention(DType.BFLOAT16, 64, 1024 << seed), KNOWN_GPUS[gpu]
    default = family_for(problem, chip).default(problem, chip)
    return Recorded(problem, chip, (default,) * 40, Measured(terms, times), 0)


def test_constants_are_found_again() -> None:
    found = fit([invented(seed).measured for seed in range(4)], START)
    before, after = judge(invented(9), START), judge(invented(9), found)
    assert after.error < 0.02 < before.error
    assert after.spearman > 0.99
    assert found.issue == pytest.approx(TRUE.issue, rel=0.25)


def test_held_out_problems_and_chips_are_judged_by_others() -> None:
    problems = [invented(seed, noise=0.02) for seed in range(3)]
    for one in (*judge_held_out(problems, START), *judge_other_chip(problems, [invented(7, "h200")], START)):
        assert one.speed > 0.95
        assert one.kendall > 0.85
    with pytest.raises(ValueError, match="at least two problems"):
        judge_held_out(problems[:1], START)
    with pytest.raises(ValueError, match="problems is empty"):
        fit([], START)


def test_a_model_that_knows_nothing_is_found_out() -> None:
    """Times in the opposite order of the predictions."""
    right = invented(1)
    predicted = predicted_ms(right.measured.terms, START)
    wrong = replace(right, measured=Measured(right.measured.terms, 1.0 / predicted))
    judged = judge(wrong, START)
    assert judged.spearman == pytest.approx(-1.0) and judged.kendall == pytest.approx(-1.0)
    assert judged.speed == pytest.approx(predicted.min() / predicted.max())


def test_constants_are_kept_by_architecture(tmp_path, monkeypatch) -> None:
    path = tmp_path / "constants.json"
    path.write_text("{}")
    monkeypatch.setattr("splashgen.plan.constants.FILE", path)
    assert constants_for(KNOWN_GPUS["h200"])[0] == START
    store_constants("sm_90", TRUE, "constants of a test")
    assert constants_for(KNOWN_GPUS["h200"]) == (TRUE, "constants of a test")
    assert constants_for(KNOWN_GPUS["a100"])[0] == START

"""The cost model answers as the hardware would have it: more work takes longer, and on slower chips."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.plan.constants import START
from splashgen.plan.demands import demands_of, schedule_of
from splashgen.plan.model import predicted_ms, terms_of
from splashgen.problem import DType
from splashgen.tune.presets import attention

H100 = KNOWN_GPUS["h100"]
PROBLEM = attention(DType.BFLOAT16, 64, 1024)
DEFAULT = family_for(PROBLEM, H100).default(PROBLEM, H100)


def milliseconds(make, problem=PROBLEM, config=DEFAULT, gpu=H100, constants=START) -> float:
    return float(predicted_ms(terms_of(problem, config, gpu, make(config)), constants))


def test_the_default_takes_about_what_was_measured(attention_kernels) -> None:
    """1.43 ms on an H100 (tuned_configs/h100.yaml); the loops are that chip's."""
    assert 0.7 < milliseconds(attention_kernels) < 2.8


def test_work_takes_time(attention_kernels) -> None:
    short = milliseconds(attention_kernels)
    assert milliseconds(attention_kernels, replace(PROBLEM, causal=False)) > 1.2 * short
    # The same number of tokens: twice the length is twice the scores.
    assert 1.3 * short < milliseconds(attention_kernels, replace(PROBLEM, seq_len=2048)) < 2.2 * short
    assert milliseconds(attention_kernels, replace(PROBLEM, head_dim=128, value_dim=128)) > short


def test_a_smaller_chip_is_slower(attention_kernels) -> None:
    times = [milliseconds(attention_kernels, gpu=KNOWN_GPUS[slug]) for slug in ("h100", "a100", "a10g")]
    assert times == sorted(times)


def test_spilled_registers_cost_issue_slots(attention_kernels) -> None:
    def spilling(config):
        bound, *others = attention_kernels(config)
        slower = tuple(replace(loop, instructions=2 * loop.instructions) for loop in bound.loops)
        return replace(bound, loops=slower, instructions=2 * bound.instructions), *others

    assert milliseconds(spilling) > milliseconds(attention_kernels)


def test_more_programs_than_fit_take_another_round(attention_kernels) -> None:
    """With 168 registers, three blocks of 128 threads fit and a fourth waits."""

    def crowded(config):
        bound, *others = attention_kernels(config)
        return replace(bound, registers=255), *others

    three = DEFAULT.replace(bound_programs=3)
    assert milliseconds(crowded, config=three) > milliseconds(crowded, config=three.replace(bound_programs=2))


def test_constants_mean_what_they_say(attention_kernels) -> None:
    base = milliseconds(attention_kernels)
    for name in ("matrix", "issue", "overlap"):
        assert milliseconds(attention_kernels, constants=replace(START, **{name: 1.0})) != base
        assert (
            milliseconds(attention_kernels, constants=replace(START, **{name: 0.9 * getattr(START, name)}))
            > base
        )
    for name in ("transfer_clocks", "chain_clocks", "load_clocks", "instruction_clocks", "launch_us"):
        slower = replace(START, **{name: 2.0 * getattr(START, name)})
        assert milliseconds(attention_kernels, constants=slower) > base


def test_candidates_are_predicted_together_as_alone(attention_kernels) -> None:
    configs = [DEFAULT, DEFAULT.replace(block_n=32), DEFAULT.replace(output_stages=3)]
    terms = [terms_of(PROBLEM, config, H100, attention_kernels(config)) for config in configs]
    together = predicted_ms(np.stack(terms), START)
    assert together.tolist() == [float(predicted_ms(each, START)) for each in terms]


def test_inference_launches_the_forward_alone(attention_kernels) -> None:
    problem = replace(PROBLEM, training=False)
    demands = demands_of(problem, DEFAULT, attention_kernels(DEFAULT), "timed:gaussian")
    assert [demand.kernel.name for demand in demands] == ["_bound", "_list_tiles", "_output"]
    # Scores of the visible half, two operations for each of 64 products, 32 batches of 16 heads.
    assert demands[0].flops == pytest.approx(512 * 1024 * (1024 / 2 + 64) * 128, rel=0.1)


def test_a_family_without_demands_is_refused() -> None:
    with pytest.raises(NotImplementedError, match=r"'attention_torch' cannot be planned.*splashgen tune"):
        schedule_of("attention_torch")


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("demands.attention_triton", "visits"):
        monkeypatch.delitem(sys.modules, f"splashgen.plan.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(ModuleNotFoundError, match="numpy"):
        schedule_of("attention_triton")

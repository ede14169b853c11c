"""A plan's first choices as advice: in order, without repeats, none where nothing can be planned."""

import pytest

from splashgen.families import family_for
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.plan import advice as advice_module
from splashgen.plan.advice import advising, first_choices
from splashgen.plan.planner import Plan, Ranked
from splashgen.problem import DType
from splashgen.store import Regime
from splashgen.tune.presets import attention

A100 = KNOWN_GPUS["a100"]
PROBLEM = attention(DType.BFLOAT16, 64, 256)
DEFAULT = family_for(PROBLEM, A100).default(PROBLEM, A100)


def _plan(*times: float) -> Plan:
    """The first is the default; of the others the one that comes earlier stands nearer to it."""
    configs = [DEFAULT, *(DEFAULT.replace(output_stages=stages) for stages in (1, 3, 4))]
    ranked = [
        Ranked(config, time, place) for place, (config, time) in enumerate(zip(configs, times, strict=False))
    ]
    return Plan(PROBLEM, A100, tuple(sorted(ranked, key=lambda one: one.predicted_ms)))


def test_the_choice_comes_first_and_then_the_fastest_others() -> None:
    plan = _plan(1.005, 1.0, 1.2)
    assert first_choices(plan, 3) == [
        DEFAULT,
        DEFAULT.replace(output_stages=1),
        DEFAULT.replace(output_stages=3),
    ]
    assert first_choices(plan, 1) == [plan.choice.config]
    assert first_choices(_plan(2.0, 1.0, 1.2), 2) == [
        DEFAULT.replace(output_stages=1),
        DEFAULT.replace(output_stages=3),
    ]
    assert first_choices(_plan(), 3) == []


def test_advice_is_that_of_a_plan(monkeypatch: pytest.MonkeyPatch, planned_kernels) -> None:
    monkeypatch.setattr(advice_module, "Compiled", planned_kernels)
    with advising(A100, 2, candidates=6, processes=1) as advice:
        first, second = advice(PROBLEM, Regime.MIXED)
    assert first != second and first.family == second.family == "attention_triton"


def test_what_cannot_be_planned_has_no_advice_and_an_unknown_chip_is_a_sentence(monkeypatch) -> None:
    def refuse(*arguments, **options):
        raise NotImplementedError

    monkeypatch.setattr(advice_module, "plan_problem", refuse)
    with advising(A100, 2, processes=1) as advice:
        assert advice(PROBLEM, Regime.MIXED) == ()
    with pytest.raises(ValueError, match="rates are not known"), advising(CPU, 2):
        pass

"""Planning with an invented compiler: what does not fit is rejected, the ranking follows the model."""

from concurrent.futures import Future
from dataclasses import replace

import pytest

from splashgen.errors import KernelError
from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.plan.candidates import combined, neighbours, starts
from splashgen.plan.demands import schedule_of
from splashgen.plan.planner import Plan, Ranked, plan_problem
from splashgen.problem import DType
from splashgen.render import render
from splashgen.store import Regime, Rung, Status, load, lookup, save
from splashgen.tune.presets import attention

A100 = KNOWN_GPUS["a100"]
PROBLEM = attention(DType.BFLOAT16, 64, 256)


class Compiler:
    """Answers at once; `faults` maps a config to the error that it has."""

    def __init__(self, make, faults=lambda config: None) -> None:
        self.make, self.faults, self.asked = make, faults, []

    def ask(self, problem, config, gpu):
        self.asked.append(config)
        answer: Future = Future()
        answer.set_result(self.faults(config) or self.make(config))
        return answer


@pytest.fixture(autouse=True)
def own_tables(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr("splashgen.store.tables.shipped_folder", lambda name: tmp_path / "none")


def test_the_first_choice_is_the_fastest_that_fits(attention_kernels) -> None:
    told = []
    plan = plan_problem(
        PROBLEM, A100, Compiler(attention_kernels), 12, lambda config, done, most: told.append((done, most))
    )
    times = [one.predicted_ms for one in plan.ranked]
    assert times == sorted(times) and len(plan.ranked) + len(plan.rejected) == 12
    assert told == [(done, 12) for done in range(1, 13)]
    default = family_for(PROBLEM, A100).default(PROBLEM, A100)
    assert default in {one.config for one in plan.ranked}
    changed = {name for one in plan.ranked for name, value in one.config.items if value != default[name]}
    assert changed and changed <= set(schedule_of("attention_triton")), "accuracy is left alone"


def test_a_plan_for_sparse_scores_is_faster_and_its_entry_says_so(attention_kernels) -> None:
    plans = {
        regime: plan_problem(PROBLEM, A100, Compiler(attention_kernels), 3, regime=regime)
        for regime in Regime
    }
    assert {plan.entry.regime for plan in plans.values()} == set(Regime)
    default = family_for(PROBLEM, A100).default(PROBLEM, A100)
    dense, mixed, sparse = (
        next(one.predicted_ms for one in plans[regime].ranked if one.config == default)
        for regime in (Regime.DENSE, Regime.MIXED, Regime.SPARSE)
    )
    assert sparse < mixed < dense
    assert mixed == pytest.approx((dense * sparse) ** 0.5), "the mixture is the geometric mean"


def test_what_does_not_fit_or_compile_is_rejected_with_its_reason(attention_kernels) -> None:
    def greedy(config):
        bound, *others = attention_kernels(config)
        needed = 200_000 if config["output_stages"] == 3 else bound.shared_memory
        return replace(bound, shared_memory=needed), *others

    def faults(config):
        return KernelError("It does not compile.") if config["dq_stages"] == 3 else None

    plan = plan_problem(PROBLEM, A100, Compiler(greedy, faults), 20)
    reasons = " ".join(plan.rejected.values())
    assert "needs 200000 bytes of shared memory" in reasons and "It does not compile." in reasons
    assert not plan.rejected.keys() & {one.config for one in plan.ranked}


def test_less_than_the_model_can_tell_changes_nothing(attention_kernels) -> None:
    default = family_for(PROBLEM, A100).default(PROBLEM, A100)
    near, far = (Ranked(default.replace(dq_stages=stages), 1.0, stages) for stages in (1, 3))
    ranked = near, Ranked(default, 1.005, 0), replace(far, predicted_ms=1.1)
    assert Plan(PROBLEM, A100, ranked).choice.config == default
    assert Plan(PROBLEM, A100, (near, replace(ranked[1], predicted_ms=1.02))).choice == near
    with pytest.raises(ValueError, match="No candidate"):
        _ = Plan(PROBLEM, A100, ()).choice


def test_nothing_is_compiled_twice(attention_kernels) -> None:
    compiler = Compiler(attention_kernels)
    plan_problem(PROBLEM, A100, compiler, 16)
    codes = [render(PROBLEM, config).hash for config in compiler.asked]
    assert len(codes) == len(set(codes))


def test_a_plan_is_stored_as_planned_and_answers_below_what_ran(attention_kernels, tmp_path) -> None:
    plan = plan_problem(PROBLEM, A100, Compiler(attention_kernels), 6)
    path = save(A100, [plan.entry])
    text = path.read_text()
    assert "status: planned" in text and "predicted_ms" in text and "time_ms:" not in text
    (entry,) = load(path).entries
    assert entry.status is Status.PLANNED and entry.trials == 6
    match = lookup(PROBLEM, A100)
    assert match.rung is Rung.PLANNED and match.config == plan.choice.config
    other = neighbours(PROBLEM, A100, match.config)[0]
    ran = replace(
        entry, status=Status.MEASURED, config=other, code_hash=render(PROBLEM, other).hash, problem=PROBLEM
    )
    save(A100, [ran])
    assert lookup(PROBLEM, A100).rung is Rung.EXACT
    save(A100, [plan.entry])
    assert lookup(PROBLEM, A100).config == other, "a plan never replaces what ran"


def test_of_two_plans_the_chip_s_own_answers(attention_kernels) -> None:
    """L40S and RTX 4090 are of one architecture."""
    plan = plan_problem(PROBLEM, A100, Compiler(attention_kernels), 6)
    first, second = (one.config for one in plan.ranked[:2])
    for slug, config in (("l40s", first), ("rtx4090", second)):
        entry = replace(plan.entry, config=config, code_hash=render(PROBLEM, config).hash)
        save(KNOWN_GPUS[slug], [entry])
    assert lookup(PROBLEM, KNOWN_GPUS["l40s"]).config == first
    assert lookup(PROBLEM, KNOWN_GPUS["rtx4090"]).config == second


def test_neighbours_differ_in_one_parameter_of_the_schedule() -> None:
    default = family_for(PROBLEM, A100).default(PROBLEM, A100)
    near = neighbours(PROBLEM, A100, default)
    assert len(near) > 8
    for config in near:
        (name,) = (name for name, value in config.items if value != default[name])
        assert name in schedule_of("attention_triton")


def test_single_gains_are_combined() -> None:
    default = family_for(PROBLEM, A100).default(PROBLEM, A100)
    times = {
        default: 2.0,
        default.replace(output_stages=3): 1.9,
        default.replace(output_stages=1): 1.8,
        default.replace(dq_stages=3): 1.7,
        default.replace(dkdv_stages=3): 2.5,
    }
    assert combined(PROBLEM, A100, default, times) == default.replace(output_stages=1, dq_stages=3)
    assert combined(PROBLEM, A100, default, {default: 2.0}) is None


def test_winners_of_other_chips_are_tried_with_the_default_s_accuracy(attention_kernels) -> None:
    h100 = KNOWN_GPUS["h100"]
    plan = plan_problem(PROBLEM, h100, Compiler(attention_kernels), 4)
    won = plan.entry.config.replace(block_n=32, solver="bisection")
    measured = replace(plan.entry, config=won, status=Status.MEASURED, code_hash=render(PROBLEM, won).hash)
    save(h100, [measured])
    default, other = starts(PROBLEM, A100)
    assert default == family_for(PROBLEM, A100).default(PROBLEM, A100)
    assert (other["block_n"], other["solver"]) == (32, default["solver"])

import pytest
from covering import covering, pairs
from sweep_cases import ATTENTION, ENTMAX, allowed, cases, job_of

from splashgen.families import families, family_named
from splashgen.gpu import KNOWN_GPUS
from splashgen.problem import Operation


def test_every_allowed_pair_is_covered_by_few_cases() -> None:
    factors = {"a": (1, 2, 3), "b": (1, 2, 3), "c": (False, True)}

    def sensible(case: dict[str, object]) -> bool:
        return not (case.get("a") == 1 and case.get("c"))

    made = covering(factors, sensible)
    assert all(sensible(case) for case in made)
    for (first, one), (second, other) in pairs(factors, sensible):
        assert any(case[first] == one and case[second] == other for case in made)
    assert 9 <= len(made) <= 11, "of 18"
    assert made == covering(factors, sensible)


@pytest.mark.parametrize("operation", list(Operation))
def test_the_sweep_takes_every_option_to_every_chip_and_every_pair_once(operation: Operation) -> None:
    factors = ATTENTION if operation is Operation.ATTENTION else ENTMAX
    made = cases(operation)
    for (first, one), (second, other) in pairs(factors, allowed):
        assert any(case[first] == one and case[second] == other for case in made), (first, one, second, other)
    for job in (job_of(operation, case) for case in made):
        assert family_named(job.config.family).supports(job.problem), job


def test_every_template_for_gpus_and_every_architecture_is_in_the_sweep() -> None:
    jobs = [job_of(operation, case) for operation in Operation for case in cases(operation)]
    compiled = {one.name for one in families() if set(one.backends) & {"cuda", "hip"}}
    assert {job.config.family for job in jobs} == compiled
    assert {job.gpu.arch for job in jobs} == {gpu.arch for gpu in KNOWN_GPUS.values()}

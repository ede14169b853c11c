"""A sample for the quick run: both templates on a chip of each maker; `tests/sweep` has every option."""

import pytest

from splashgen.alpha import AlphaClass
from splashgen.compile import Job, compile_many, fits
from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem

GPUS = [KNOWN_GPUS[slug] for slug in ("a100", "mi300x")]
PROBLEMS = (
    Problem(
        Operation.ATTENTION,
        AlphaClass.THREE_HALVES,
        DType.BFLOAT16,
        1024,
        64,
        64,
        training=False,
        causal=True,
    ),
    Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, 1024),
)


@pytest.mark.timeout(600)
def test_a_sample_compiles_and_fits() -> None:
    jobs = [
        Job(problem, family_for(problem, gpu).default(problem, gpu), gpu)
        for gpu in GPUS
        for problem in PROBLEMS
    ]
    for job, kernels in zip(jobs, compile_many(jobs), strict=True):
        assert not isinstance(kernels, Exception), kernels
        assert kernels, f"{job} launched nothing"
        assert fits(kernels, job.gpu) is None

"""Every Triton template, option and shipped kernel compiles for its chips and fits; no GPU is needed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sweep_cases import SHIPPED, cases, job_of, name_of, shipped_job, wide_jobs

from splashgen.compile import CompilePool, Job, fits
from splashgen.problem import Operation

pytestmark = [pytest.mark.slow, pytest.mark.sweep, pytest.mark.timeout(180)]

JOBS = {
    name_of(job): job
    for job in [job_of(operation, case) for operation in Operation for case in cases(operation)] + wide_jobs()
}


@pytest.fixture(scope="module")
def pool() -> Iterator[CompilePool]:
    """One compile process a test process: it imports torch and triton once for all its cases."""
    with CompilePool(1) as one:
        yield one


def check(pool: CompilePool, job: Job) -> None:
    kernels = pool.submit(job).result()
    assert kernels, "nothing was launched"
    assert fits(kernels, job.gpu) is None


@pytest.mark.parametrize("name", JOBS, ids=list(JOBS))
def test_an_option_compiles_and_fits(pool: CompilePool, name: str) -> None:
    check(pool, JOBS[name])


@pytest.mark.parametrize(("path", "code"), SHIPPED, ids=[f"{path.stem}-{code}" for path, code in SHIPPED])
def test_a_shipped_kernel_compiles_for_its_chip_and_fits(pool: CompilePool, path: Path, code: str) -> None:
    check(pool, shipped_job(path, code))

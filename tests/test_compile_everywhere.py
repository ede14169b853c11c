"""Every Triton template compiles for every kind of chip, and every shipped kernel for its own."""

import json
import os
from pathlib import Path

import pytest

from splashgen.alpha import AlphaClass
from splashgen.compile import Job, compile_many, fits
from splashgen.families import families, family_named
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem
from splashgen.resources import shipped_folder
from splashgen.store import load

CHIPS = ("a100", "h100", "b200", "mi300x")
"""sm_80, sm_90, sm_100, gfx942."""
EVERY_CHIP = (*CHIPS, "a10g", "l40s", "rtx5090")
"""And sm_86, sm_89, sm_120."""
FAMILIES = tuple(family for family in families() if "cuda" in family.backends)
DTYPES = (DType.BFLOAT16, DType.FLOAT16, DType.FLOAT32)
FEATURES = (
    {"window": True, "grouped": True},
    {"alibi": True, "key_padding": True, "causal": True},
    {"attn_mask": True, "training": False},
    {"varlen": True, "causal": True, "window": True},
)


def problem_of(family, alpha, dtype, head_dim=64, **flags):
    if family.operation is Operation.ENTMAX:
        return Problem(family.operation, alpha, dtype, 1024, training=flags.get("training", True))
    return Problem(family.operation, alpha, dtype, 1024, head_dim, head_dim, **flags)


def jobs_for(problems, chips):
    """Every problem on every chip, with the default config of each family."""
    return [
        Job(problem, family.default(problem, KNOWN_GPUS[chip]), KNOWN_GPUS[chip])
        for family, problem in problems
        if family.supports(problem)
        for chip in chips
    ]


def assert_all_fit(jobs, processes=2):
    assert jobs
    wrong = {}
    for job, kernels in zip(jobs, compile_many(jobs, processes), strict=True):
        objection = str(kernels) if isinstance(kernels, Exception) else fits(kernels, job.gpu)
        if objection or not kernels:
            wrong[f"{job.gpu.slug}: {job.problem} with {job.config}"] = objection or "launched nothing"
    assert not wrong, json.dumps(wrong, indent=1, ensure_ascii=False)[:4000]


@pytest.mark.timeout(600)
def test_a_sample_of_every_template_compiles_and_fits():
    """Each α class, dtype, chip and mask once or more; the slow test takes them all together."""
    jobs = []
    for family in FAMILIES:
        for place, alpha in enumerate(AlphaClass):
            problem = problem_of(family, alpha, DTYPES[place % 3], causal=place % 2 == 0)
            jobs += jobs_for([(family, problem)], [CHIPS[place % 4]])
    assert_all_fit(jobs)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_template_compiles_and_fits():
    problems = [
        (family, problem_of(family, alpha, dtype, head_dim, causal=causal))
        for family in FAMILIES
        for alpha in AlphaClass
        for dtype in DTYPES
        for head_dim in ((64, 128) if family.operation is Operation.ATTENTION else (0,))
        for causal in ((False, True) if family.operation is Operation.ATTENTION else (False,))
    ]
    assert_all_fit(jobs_for(problems, CHIPS), os.cpu_count())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_feature_and_odd_head_dim_compiles_and_fits():
    attention = [family for family in FAMILIES if family.operation is Operation.ATTENTION]
    problems = [
        (family, problem_of(family, alpha, DType.BFLOAT16, **flags))
        for family in attention
        for alpha in (AlphaClass.THREE_HALVES, AlphaClass.GENERIC)
        for flags in (*FEATURES, *({"head_dim": dim} for dim in (16, 80, 96, 160, 256)))
    ]
    problems += [
        (family, problem_of(family, AlphaClass.GENERIC, DType.BFLOAT16, learned_alpha=True))
        for family in attention
    ]
    assert_all_fit(jobs_for(problems, EVERY_CHIP), os.cpu_count())


def shipped(path):
    """The compilable entries of a file of tuned configs, each distinct kernel once."""
    gpu = {**KNOWN_GPUS, "cpu": CPU}[path.stem]
    jobs = {
        (entry.problem.semantics(), entry.config): Job(entry.problem, entry.config, gpu)
        for entry in load(path).entries
        if gpu.backend in family_named(entry.config.family).backends and gpu.backend != "cpu"
    }
    return list(jobs.values())


SHIPPED = sorted(Path(shipped_folder("tuned_configs")).glob("*.yaml"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_kernel_compiles_for_its_chip_and_fits(path):
    jobs = shipped(path)
    if path.stem == "cpu":
        assert not jobs, "nothing on a CPU needs a compiler"
    else:
        assert_all_fit(jobs)

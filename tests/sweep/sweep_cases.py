"""What the sweep compiles: the covering set of each operation, and what the shipped files hold."""

import functools
import re
from pathlib import Path
from typing import Any

from covering import covering

from splashgen.alpha import AlphaClass
from splashgen.compile import Job
from splashgen.families import families, family_named
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem
from splashgen.resources import shipped_folder
from splashgen.store import TunedFile, load

__all__ = ["ATTENTION", "CHIPS", "ENTMAX", "SHIPPED", "allowed", "job_of", "name_of", "shipped_job"]

CHIPS = ("a100", "a10g", "l40s", "h100", "b200", "rtx5090", "mi300x")
"""sm_80, sm_86, sm_89, sm_90, sm_100, sm_120, gfx942."""
DTYPES = (DType.BFLOAT16, DType.FLOAT16, DType.FLOAT32)
FLAGS = (
    "training",
    "causal",
    "window",
    "alibi",
    "key_padding",
    "attn_mask",
    "varlen",
    "grouped",
    "learned_alpha",
)

ENTMAX: dict[str, tuple[Any, ...]] = {
    "chip": CHIPS,
    "alpha": tuple(AlphaClass),
    "dtype": DTYPES,
    "training": (False, True),
    "seq_len": (1024, 65536),  # rows that are held in registers, and rows that are not
}
ATTENTION: dict[str, tuple[Any, ...]] = {
    "chip": CHIPS,
    "alpha": tuple(AlphaClass),
    "dims": ((16, 16), (64, 64), (80, 80), (128, 128), (160, 96), (256, 256)),
    "dtype": DTYPES,
    **dict.fromkeys(FLAGS, (False, True)),
}


def allowed(case: dict[str, Any]) -> bool:
    """Not a packed dense mask, a learned α that is fixed or has no gradient, or what is known not to fit."""
    if case.get("varlen") and case.get("attn_mask"):
        return False
    if _too_wide(case):
        return False
    if not case.get("learned_alpha"):
        return True
    return case.get("alpha", AlphaClass.GENERIC) is AlphaClass.GENERIC and case.get("training", True)


def _too_wide(case: dict[str, Any]) -> bool:
    """The default's tiles of float32 above head dim 128 take 96 to 192 KB a block; these chips have less."""
    gpu = KNOWN_GPUS.get(case.get("chip", ""))
    wide = max(case.get("dims", (0,))) > 128 and case.get("dtype") is DType.FLOAT32
    return wide and gpu is not None and gpu.backend == "cuda" and gpu.shared_memory < 200_000


def job_of(operation: Operation, case: dict[str, Any]) -> Job:
    """The case on its chip, with the family's default config for it."""
    gpu = KNOWN_GPUS[case["chip"]]
    head_dim, value_dim = case.get("dims", (0, 0))
    flags = {name: case[name] for name in FLAGS if name in case}
    length = case.get("seq_len", 1024)
    problem = Problem(operation, case["alpha"], case["dtype"], length, head_dim, value_dim, **flags)
    (family,) = (one for one in families() if one.operation is operation and gpu.backend in one.backends)
    return Job(problem, family.default(problem, gpu), gpu)


def cases(operation: Operation) -> list[dict[str, Any]]:
    """The covering set."""
    return covering(ATTENTION if operation is Operation.ATTENTION else ENTMAX, allowed)


def name_of(job: Job) -> str:
    """Its test's name."""
    return f"{job.gpu.arch} {job.problem}".replace(" ", "-")


SHIPPED = tuple(
    (path, code)
    for path in sorted(Path(shipped_folder("tuned_configs")).glob("*.yaml"))
    if path.stem != "cpu"
    # Read as text: to validate hundreds of entries takes longer than to collect all other tests.
    for code in dict.fromkeys(re.findall(r"^ *code_hash: '?(\w{16})", path.read_text("utf-8"), re.MULTILINE))
)
"""(file, code hash) of every distinct kernel in the shipped files: each is compiled once for its chip."""


def shipped_job(path: Path, code: str) -> Job:
    """The first entry of a file with this code; entries that share code differ in length alone."""
    entry = next(entry for entry in _loaded(path).entries if entry.code_hash == code)
    gpu = {**KNOWN_GPUS, CPU.slug: CPU}[path.stem.split("-")[0]]
    assert gpu.backend in family_named(entry.config.family).backends
    return Job(entry.problem, entry.config, gpu)


@functools.cache
def _loaded(path: Path) -> TunedFile:
    return load(path)

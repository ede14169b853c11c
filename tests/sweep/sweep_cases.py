"""What the sweep compiles: the covering set of each operation, and what the shipped files hold."""

import functools
import itertools
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
from splashgen.tiles import fits_rows

__all__ = [
    "ATTENTION",
    "CHIPS",
    "ENTMAX",
    "SHIPPED",
    "allowed",
    "job_of",
    "name_of",
    "shipped_job",
    "wide_jobs",
]

CHIPS = ("a100", "a10g", "l40s", "h100", "b200", "rtx5090", "mi300x")
"""sm_80, sm_86, sm_89, sm_90, sm_100, sm_120, gfx942."""
DTYPES = (DType.BFLOAT16, DType.FLOAT16, DType.FLOAT32)
WIDE = {"a100": 256, "a10g": 192, "l40s": 256, "rtx5090": 192}
"""Head dims of float32 on the chips whose shared memory is short for them."""
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
    "grain": ("tiles", "rows"),
}


def allowed(case: dict[str, Any]) -> bool:
    """Not a packed dense mask, or a learned α that is fixed or has no gradient."""
    if case.get("varlen") and case.get("attn_mask"):
        return False
    if not case.get("learned_alpha"):
        return True
    return case.get("alpha", AlphaClass.GENERIC) is AlphaClass.GENERIC and case.get("training", True)


def job_of(operation: Operation, case: dict[str, Any]) -> Job:
    """The case on its chip, with the family's default config for it, or what of it the case replaces."""
    gpu = KNOWN_GPUS[case["chip"]]
    head_dim, value_dim = case.get("dims", (0, 0))
    flags = {name: case[name] for name in FLAGS if name in case}
    length = case.get("seq_len", 1024)
    problem = Problem(operation, case["alpha"], case["dtype"], length, head_dim, value_dim, **flags)
    (family,) = (one for one in families() if one.operation is operation and gpu.backend in one.backends)
    config = family.default(problem, gpu)
    if "grain" in case and fits_rows(problem, gpu, int(config.number("block_m"))):
        config = config.replace(grain=case["grain"])
    return Job(problem, config, gpu)


def cases(operation: Operation) -> list[dict[str, Any]]:
    """The covering set."""
    return covering(ATTENTION if operation is Operation.ATTENTION else ENTMAX, allowed)


def wide_jobs() -> list[Job]:
    """Float32 at the widest heads: trained, and with the dense mask that the dense pass holds besides."""
    made = []
    for (chip, head_dim), grain in itertools.product(WIDE.items(), ATTENTION["grain"]):
        case = {"chip": chip, "alpha": AlphaClass.THREE_HALVES, "dtype": DType.FLOAT32, "grain": grain}
        case |= {"dims": (head_dim, head_dim), "training": True, "attn_mask": chip == "a100"}
        made.append(job_of(Operation.ATTENTION, case))
    return made


def name_of(job: Job) -> str:
    """Its test's name."""
    grain = job.config.as_dict().get("grain", "")
    return f"{job.gpu.arch} {job.problem} {grain}".strip().replace(" ", "-")


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

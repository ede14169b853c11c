"""Presets: the problems that are tuned when none are named, and how much each may cost."""

from dataclasses import dataclass

from splashgen.alpha import AlphaClass
from splashgen.gpu import Gpu
from splashgen.problem import DType, Operation, Problem
from splashgen.store.entry import Regime
from splashgen.tune.limits import Limits

__all__ = ["PRESETS", "Preset", "attention", "entmax", "preset"]

PRESETS = ("quick", "standard", "full")


@dataclass(frozen=True, slots=True)
class Preset:
    """Problems with the budget that each gets."""

    problems: tuple[Problem, ...]
    limits: Limits
    regimes: tuple[Regime, ...] = (Regime.MIXED,)
    """The kinds of scores that each problem is tuned for, in this order."""


def attention(
    dtype: DType,
    head_dim: int,
    seq_len: int,
    *,
    alpha: AlphaClass = AlphaClass.THREE_HALVES,
    value_dim: int | None = None,
    causal: bool = True,
    training: bool = True,
) -> Problem:
    """An attention problem without masks."""
    return Problem(
        Operation.ATTENTION,
        alpha,
        dtype,
        seq_len,
        head_dim=head_dim,
        value_dim=value_dim or head_dim,
        training=training,
        causal=causal,
    )


def entmax(
    dtype: DType, seq_len: int, *, alpha: AlphaClass = AlphaClass.THREE_HALVES, training: bool = True
) -> Problem:
    """Row-wise entmax of rows with `seq_len` elements."""
    return Problem(Operation.ENTMAX, alpha, dtype, seq_len, training=training)


_ALL = Regime.MIXED, Regime.DENSE, Regime.SPARSE
"""The mixture first: it answers for the others until they have entries."""

_GPU_STANDARD = tuple(
    attention(DType.BFLOAT16, head_dim, seq_len, causal=causal)
    for head_dim in (64, 128)
    for causal in (True, False)
    for seq_len in (1024, 4096, 16384)
)
_CPU_STANDARD = (
    *(
        attention(DType.FLOAT32, 64, seq_len, causal=causal)
        for causal in (True, False)
        for seq_len in (512, 1024)
    ),
    entmax(DType.FLOAT32, 1024),
)

_GPU = {
    "quick": Preset((attention(DType.BFLOAT16, 64, 4096),), Limits(trials=40, stall=20)),
    "standard": Preset(_GPU_STANDARD, Limits(trials=120, seconds=150.0, stall=50)),
    "full": Preset(
        _GPU_STANDARD
        + tuple(
            attention(DType.BFLOAT16, head_dim, seq_len, causal=causal, training=False)
            for head_dim in (64, 128)
            for causal in (True, False)
            for seq_len in (1024, 4096, 16384)
        )
        + tuple(
            attention(dtype, 64, 4096, alpha=alpha)
            for dtype in (DType.BFLOAT16, DType.FLOAT16)
            for alpha in AlphaClass
            if (dtype, alpha) != (DType.BFLOAT16, AlphaClass.THREE_HALVES)
        )
        + tuple(
            entmax(dtype, seq_len)
            for dtype in (DType.FLOAT32, DType.BFLOAT16)
            for seq_len in (1024, 8192, 65536)
        ),
        Limits(trials=200, seconds=240.0, stall=80),
        _ALL,
    ),
}

_CPU = {
    # Within 2 minutes on 2 cores, start-up included.
    "quick": Preset(
        _CPU_STANDARD, Limits(trials=30, total_seconds=100.0, timing_seconds=0.2, shoot_out_seconds=1.5)
    ),
    "standard": Preset(_CPU_STANDARD, Limits(trials=80, seconds=120.0, stall=40)),
    "full": Preset(
        _CPU_STANDARD
        + tuple(
            attention(DType.FLOAT32, head_dim, seq_len, causal=causal, training=training)
            for head_dim in (64, 128)
            for causal in (True, False)
            for seq_len in (2048, 4096)
            for training in (True, False)
        )
        + tuple(
            entmax(DType.FLOAT32, seq_len, alpha=alpha) for alpha in AlphaClass for seq_len in (1024, 8192)
        ),
        Limits(trials=150, seconds=240.0, stall=60),
        _ALL,
    ),
}


def preset(name: str, gpu: Gpu) -> Preset:
    """The preset of that name for the device's backend.

    Raises
    ------
    ValueError
        If there is no such preset.
    """
    presets = _CPU if gpu.backend == "cpu" else _GPU
    if name not in presets:
        raise ValueError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
    return presets[name]

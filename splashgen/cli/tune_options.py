"""What the options of `splashgen tune` ask for: problems, regimes and limits."""

from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import TYPE_CHECKING

from splashgen.cli.options import OperationName, RegimeName

if TYPE_CHECKING:
    from splashgen.gpu import Gpu
    from splashgen.problem import Problem
    from splashgen.store import Regime
    from splashgen.tune import Limits
    from splashgen.tune.search.warm import Advice

__all__ = ["PresetName", "advice_asked_for", "limits_asked_for", "problems_asked_for", "regimes_asked_for"]


class PresetName(StrEnum):
    """The presets of `splashgen.tune.presets`, named here so that --help imports nothing."""

    QUICK = "quick"
    STANDARD = "standard"
    FULL = "full"


def problems_asked_for(
    gpu: "Gpu",
    operation: OperationName | None,
    head_dim: int | None,
    value_dim: int | None,
    dtype: str | None,
    alpha: str | None,
    causal: bool | None,
    seq_len: list[int] | None,
    inference: bool,
) -> tuple["Problem", ...]:
    """The problems that the options name, one a length.

    Raises
    ------
    ValueError
        If an option's value is not allowed; the sentence names the option.
    """
    from splashgen.alpha import AlphaClass
    from splashgen.problem import dtype_named
    from splashgen.tune.presets import attention, entmax

    cpu = gpu.backend == "cpu"
    usual = "float32" if cpu else "bfloat16"
    kind = dtype_named(usual if dtype is None else dtype, "--dtype")
    alpha_class = AlphaClass.named("1.5" if alpha is None else alpha, "--alpha")
    lengths = seq_len or [1024 if cpu else 4096]
    if operation is OperationName.ENTMAX:
        if head_dim or value_dim or causal is not None:
            raise ValueError("--head-dim, --value-dim and --causal belong to attention, not to entmax.")
        return tuple(entmax(kind, length, alpha=alpha_class, training=not inference) for length in lengths)
    return tuple(
        attention(
            kind,
            head_dim or 64,
            length,
            alpha=alpha_class,
            value_dim=value_dim,
            causal=causal is not False,
            training=not inference,
        )
        for length in lengths
    )


def regimes_asked_for(
    sparsity: list[RegimeName] | None, operation: OperationName | None
) -> tuple["Regime", ...]:
    """What `--sparsity` names; nothing where it is left out.

    Raises
    ------
    ValueError
        If it is given for entmax, whose rows have no regimes.
    """
    from splashgen.store import Regime

    if operation is OperationName.ENTMAX and sparsity:
        raise ValueError("--sparsity belongs to attention, not to entmax.")
    return tuple(Regime(name.value) for name in sparsity or ())


def limits_asked_for(limits: "Limits", trials: int | None, seconds: float | None) -> "Limits":
    """The preset's limits; what the user asked for is not cut short by the others."""
    from dataclasses import replace

    if trials is not None:
        limits = replace(limits, trials=trials, seconds=None, total_seconds=None, stall=None)
    if seconds is not None:
        limits = replace(limits, seconds=seconds, total_seconds=None, trials=trials, stall=None)
    return limits


def advice_asked_for(gpu: "Gpu", planned: int) -> AbstractContextManager["Advice | None"]:
    """What `--planned` asks for: the cost model's first choices, or no advice.

    Raises
    ------
    ValueError
        If it asks for some on a device that nobody can plan for.
    """
    if not planned:
        return nullcontext()
    from splashgen.plan.advice import advising
    from splashgen.plan.chips import chip_of

    try:
        chip_of(gpu)
    except ValueError as error:
        raise ValueError(f"--planned is {planned}, but {error}") from None
    return advising(gpu, planned)

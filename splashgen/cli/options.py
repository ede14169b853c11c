"""The options that name one problem on one device, shared by `render` and `export`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from splashgen.alpha import AlphaClass
    from splashgen.config import Config
    from splashgen.gpu import Gpu
    from splashgen.problem import Problem

__all__ = [
    "AlphaOption",
    "CausalOption",
    "DTypeOption",
    "FeatureName",
    "FeatureOption",
    "GpuOption",
    "HeadDimOption",
    "InferenceOption",
    "OperationName",
    "OperationOption",
    "SeqLenOption",
    "ValueDimOption",
    "chosen",
]


class OperationName(StrEnum):
    """`splashgen.problem.Operation`, named here so that --help imports nothing."""

    ATTENTION = "attention"
    ENTMAX = "entmax"


class FeatureName(StrEnum):
    """The switches of `splashgen.problem.Problem`."""

    WINDOW = "window"
    ALIBI = "alibi"
    KEY_PADDING = "key_padding"
    ATTN_MASK = "attn_mask"
    VARLEN = "varlen"
    GROUPED = "grouped"
    LEARNED_ALPHA = "learned_alpha"


GpuOption = Annotated[str, typer.Option(help="The device it is for: auto, cpu, h100, a100, mi300x, ...")]
OperationOption = Annotated[OperationName, typer.Option(help="What is computed.")]
HeadDimOption = Annotated[int, typer.Option(min=1, max=512, help="Of query and key.")]
ValueDimOption = Annotated[
    int | None, typer.Option(min=1, max=512, help="Of value; the head dim if left out.")
]
DTypeOption = Annotated[
    str | None,
    typer.Option(help="bfloat16, float16, float32, float64; bfloat16 if left out, on a CPU float32."),
]
AlphaOption = Annotated[str, typer.Option(help="A number in (1, 2], or generic: read at each call.")]
CausalOption = Annotated[bool, typer.Option("--causal/--no-causal", help="Each query sees its past alone.")]
SeqLenOption = Annotated[int, typer.Option(min=1, help="The length whose tuned config is taken.")]
InferenceOption = Annotated[bool, typer.Option("--inference", help="Forward only.")]
FeatureOption = Annotated[
    list[FeatureName] | None, typer.Option("--feature", help="A further feature; may be repeated.")
]


def chosen(
    gpu: str,
    operation: OperationName,
    head_dim: int,
    value_dim: int | None,
    dtype: str | None,
    alpha: str,
    causal: bool,
    seq_len: int,
    inference: bool,
    features: list[FeatureName] | None,
) -> tuple["Problem", "Config", "Gpu"]:
    """The problem that the options name, the best config known for it, and the device.

    Raises
    ------
    ValueError, NotImplementedError
        If an option's value is not allowed, or no family computes the problem on the device.
    """
    from splashgen.problem import DType, Operation, Problem
    from splashgen.store import lookup

    device = _device(gpu)
    kinds = [kind.value for kind in DType]
    if dtype is not None and dtype not in kinds:
        raise ValueError(f"--dtype is {dtype!r}, but must be one of {', '.join(kinds)}.")
    kind = DType(dtype or ("float32" if device.backend == "cpu" else "bfloat16"))
    alpha_class = _alpha_class(alpha)
    if operation is OperationName.ENTMAX:
        if causal or value_dim or features:
            raise ValueError("--causal, --value-dim and --feature belong to attention, not to entmax.")
        problem = Problem(Operation.ENTMAX, alpha_class, kind, seq_len, training=not inference)
    else:
        flags = {name.value: True for name in features or ()}
        problem = Problem(
            Operation.ATTENTION,
            alpha_class,
            kind,
            seq_len,
            head_dim,
            value_dim or head_dim,
            training=not inference,
            causal=causal,
            **flags,
        )
    return problem, lookup(problem, device).config, device


def _device(name: str) -> "Gpu":
    from splashgen.gpu import CPU, KNOWN_GPUS, detect

    if name == "auto":
        return detect()
    known = {**KNOWN_GPUS, "cpu": CPU}
    if name not in known:
        raise ValueError(f"--gpu is {name!r}, but must be auto or one of {', '.join(known)}.")
    return known[name]


def _alpha_class(text: str) -> "AlphaClass":
    from splashgen.alpha import AlphaClass, check_alpha

    if text == AlphaClass.GENERIC:
        return AlphaClass.GENERIC
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"--alpha is {text!r}, but must be a number in (1, 2] or generic.") from None
    return AlphaClass.of(check_alpha(value))

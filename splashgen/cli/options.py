"""The options that name one problem on one device, for every command that takes them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from splashgen.problem import MAX_HEAD_DIM

if TYPE_CHECKING:
    from splashgen.config import Config
    from splashgen.gpu import Gpu
    from splashgen.problem import Problem
    from splashgen.store import Regime

__all__ = ["Choice", "FeatureName", "OperationName", "RegimeName", "problem_options"]


class OperationName(StrEnum):
    """`splashgen.problem.Operation`."""

    ATTENTION = "attention"
    ENTMAX = "entmax"


class RegimeName(StrEnum):
    """`splashgen.store.Regime`, named here so that --help does not import the store."""

    DENSE = "dense"
    MIXED = "mixed"
    SPARSE = "sparse"


class FeatureName(StrEnum):
    """The switches of `splashgen.problem.Problem`."""

    WINDOW = "window"
    ALIBI = "alibi"
    KEY_PADDING = "key_padding"
    ATTN_MASK = "attn_mask"
    VARLEN = "varlen"
    GROUPED = "grouped"
    LEARNED_ALPHA = "learned_alpha"


@dataclass(frozen=True)
class Choice:
    """What the options say of a problem and a device; each field is an option."""

    gpu: Annotated[str, typer.Option(help="The device it is for: auto, cpu, h100, a100, mi300x, ...")] = (
        "auto"
    )
    operation: Annotated[OperationName, typer.Option(help="What is computed.")] = OperationName.ATTENTION
    head_dim: Annotated[
        int | None, typer.Option(min=1, max=MAX_HEAD_DIM, help="Of query and key; 64 if left out.")
    ] = None
    value_dim: Annotated[
        int | None, typer.Option(min=1, max=MAX_HEAD_DIM, help="Of value; the head dim if left out.")
    ] = None
    dtype: Annotated[
        str | None,
        typer.Option(help="bfloat16, float16, float32, float64; bfloat16 if left out, on a CPU float32."),
    ] = None
    alpha: Annotated[
        str, typer.Option(help="A number in [1.0001, 2], such as 1.5 or 4/3, or generic: read at each call.")
    ] = "1.5"
    causal: Annotated[bool, typer.Option("--causal/--no-causal", help="Each query sees its past alone.")] = (
        False
    )
    seq_len: Annotated[int, typer.Option(min=1, help="The length whose tuned config is taken.")] = 4096
    inference: Annotated[bool, typer.Option("--inference", help="Forward only.")] = False
    feature: Annotated[
        list[FeatureName] | None, typer.Option("--feature", help="A further feature; may be repeated.")
    ] = None
    sparsity: Annotated[
        RegimeName, typer.Option(help="The scores that are expected, as sparsity= in a call.")
    ] = RegimeName.MIXED

    def device(self) -> "Gpu":
        """The device that `--gpu` names; `ValueError` if it is none that splashgen knows."""
        from splashgen.gpu import named

        try:
            return named(self.gpu)
        except ValueError as error:
            raise ValueError(f"--{error}") from None

    @property
    def regime(self) -> "Regime":
        """What `--sparsity` names."""
        from splashgen.store import Regime

        return Regime(self.sparsity.value)

    def problem(self, device: "Gpu") -> "Problem":
        """The problem on that device.

        Raises
        ------
        ValueError
            If an option's value is not allowed; the sentence names the option.
        """
        from splashgen.alpha import AlphaClass
        from splashgen.problem import Operation, Problem, dtype_named

        usual = "float32" if device.backend == "cpu" else "bfloat16"
        dtype = dtype_named(usual if self.dtype is None else self.dtype, "--dtype")
        alpha, training = AlphaClass.named(self.alpha, "--alpha"), not self.inference
        if self.operation is OperationName.ENTMAX:
            dims = self.head_dim, self.value_dim
            if any(dims) or self.causal or self.feature or self.sparsity is not RegimeName.MIXED:
                raise ValueError(
                    "--head-dim, --value-dim, --causal, --feature and --sparsity belong to attention, not to "
                    "entmax."
                )
            return Problem(Operation.ENTMAX, alpha, dtype, self.seq_len, training=training)
        head_dim = self.head_dim or 64
        return Problem(
            Operation.ATTENTION,
            alpha,
            dtype,
            self.seq_len,
            head_dim,
            self.value_dim or head_dim,
            training=training,
            causal=self.causal,
            **{name.value: True for name in self.feature or ()},
        )

    def settled(self, command: str) -> tuple["Problem", "Config", "Gpu"]:
        """The problem, the best config known for it, and the device; `command` ends with code 2 if none."""
        from splashgen.store import lookup

        try:
            device = self.device()
            problem = self.problem(device)
            return problem, lookup(problem, device, self.regime).config, device
        except (ValueError, NotImplementedError) as error:
            typer.echo(f"splashgen {command}: {error}", err=True)
            raise typer.Exit(2) from None


def problem_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of `Choice`, which it gets as its first argument.

    An option of the command's own goes before a field of the same name, which then keeps its default.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    taken = {parameter.name for parameter in own}
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
        )
        for field in fields(Choice)
        if field.name not in taken
    ]

    def typed(**values: Any) -> None:
        choice = Choice(**{parameter.name: values.pop(parameter.name) for parameter in shared})
        command(choice, **values)

    parameters = [*shared, *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own)]
    typed.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    typed.__annotations__ = {each.name: each.annotation for each in parameters}
    typed.__name__, typed.__doc__, typed.__module__ = command.__name__, command.__doc__, command.__module__
    return typed

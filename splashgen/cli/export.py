"""`splashgen export`: write one file that other repositories can use without splashgen."""

from pathlib import Path
from typing import Annotated

import typer

from splashgen.cli.options import (
    AlphaOption,
    CausalOption,
    DTypeOption,
    FeatureOption,
    GpuOption,
    HeadDimOption,
    InferenceOption,
    OperationName,
    OperationOption,
    SeqLenOption,
    ValueDimOption,
    chosen,
)

__all__ = ["export"]


def export(
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="The file to write; it must not exist.")
    ],
    gpu: GpuOption = "auto",
    operation: OperationOption = OperationName.ATTENTION,
    head_dim: HeadDimOption = 64,
    value_dim: ValueDimOption = None,
    dtype: DTypeOption = None,
    alpha: AlphaOption = "1.5",
    causal: CausalOption = False,
    seq_len: SeqLenOption = 4096,
    inference: InferenceOption = False,
    feature: FeatureOption = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> None:
    """Write one readable file with the tuned kernels and their gradients; it needs torch and triton alone."""
    try:
        problem, config, device = chosen(
            gpu, operation, head_dim, value_dim, dtype, alpha, causal, seq_len, inference, feature
        )
    except (ValueError, NotImplementedError) as error:
        raise _failure(str(error), 2) from None
    from splashgen.export import export as exported

    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(exported(problem, config))
    except FileExistsError:
        raise _failure(f"{output} exists already; give --force to write over it.", 2) from None
    except OSError as error:
        raise _failure(f"{output} cannot be written: {error.strerror}.", 1) from None
    typer.echo(f"{output}: «{problem}» for {device.name}, with {config}")


def _failure(message: str, code: int) -> typer.Exit:
    typer.echo(f"splashgen export: {message}", err=True)
    return typer.Exit(code)

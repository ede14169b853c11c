"""`splashgen render`: print the generated file of a problem, to read it."""

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

__all__ = ["render"]


def render(
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
) -> None:
    """Print the kernel file that splashgen runs for a problem on a device, which need not be here."""
    try:
        problem, config, _ = chosen(
            gpu, operation, head_dim, value_dim, dtype, alpha, causal, seq_len, inference, feature
        )
    except (ValueError, NotImplementedError) as error:
        typer.echo(f"splashgen render: {error}", err=True)
        raise typer.Exit(2) from None
    from splashgen.render import render as render_file

    typer.echo(render_file(problem, config).source, nl=False)

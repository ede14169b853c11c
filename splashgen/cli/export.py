"""`splashgen export`: write one file that other repositories can use without splashgen."""

from pathlib import Path
from typing import Annotated

import typer

from splashgen.cli.options import Choice, problem_options

__all__ = ["export"]


@problem_options
def export(
    choice: Choice,
    output: Annotated[
        Path, typer.Option("--output", "-o", dir_okay=False, help="The file to write; it must not exist.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> None:
    """Write one readable file with the tuned kernels and their gradients; it needs torch and triton alone."""
    from splashgen.export import export as exported

    problem, config, device = choice.settled("export")
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

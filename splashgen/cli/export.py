"""`splashgen export`: a problem's kernels for other repositories, as one file or compiled ahead of time."""

import json
from pathlib import Path
from typing import Annotated

import typer

from splashgen.cli.options import Choice, problem_options

__all__ = ["export"]


@problem_options
def export(
    choice: Choice,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The file to write, or with --aot the folder; it must not exist. Folders above it are made.",
        ),
    ],
    aot: Annotated[
        bool, typer.Option("--aot", help="Compile ahead of time: a package that launches binaries.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over what was exported before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write one readable file with the tuned kernels and their gradients; it needs torch and triton alone.

    With --aot, write a package with the kernels as binaries for the device, which need not be here: it needs
    torch and the driver alone, and compiles nothing.
    """
    from splashgen.aot import export_aot
    from splashgen.errors import KernelError
    from splashgen.export import export as exported

    problem, config, device = choice.settled("export")
    try:
        if aot:
            export_aot(problem, config, device, output, replace=force)
        else:
            _write(output, exported(problem, config), force)
    except FileExistsError:
        raise _failure(f"{output} exists already; give --force to write over what was exported.", 2) from None
    except OSError as error:
        raise _failure(f"{output} cannot be written: {error.strerror}.", 1) from None
    except ValueError as error:
        raise _failure(str(error), 2) from None
    except KernelError as error:
        raise _failure(str(error), 1) from None
    facts = {
        "output": str(output),
        "problem": problem.as_dict(),
        "gpu": device.slug,
        "config": config.as_dict(),
    }
    text = f"{output}: «{problem}» for {device.name}, with {config}"
    typer.echo(json.dumps(facts, indent=2) if as_json else text)


def _write(output: Path, text: str, force: bool) -> None:
    from splashgen.replacing import make_folder, replace_file

    make_folder(output.parent)
    if force and output.exists() and not output.is_file():  # a device or a pipe has nothing to lose
        output.write_text(text, encoding="utf-8")
    else:
        replace_file(output.resolve() if force else output, text, new=not force)


def _failure(message: str, code: int) -> typer.Exit:
    typer.echo(f"splashgen export: {message}", err=True)
    return typer.Exit(code)

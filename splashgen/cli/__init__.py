"""The command `splashgen`: each module here is one command.

A module `tune` has a function `tune`, or, for a group of commands, a Typer `app`. What a command needs is
imported when it runs: `splashgen --help` must not wait for torch.
"""

import importlib
import pkgutil
from typing import Annotated

import typer

from splashgen._version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="splashgen",
    help="Generates, tunes and dispatches exact sparse (α-entmax) attention kernels for the GPU at hand.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"splashgen {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _register() -> None:
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        module = importlib.import_module(f"{__name__}.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        elif hasattr(module, name):
            app.command(name)(getattr(module, name))


_register()


def main() -> None:
    """The entry point of the console script."""
    app()

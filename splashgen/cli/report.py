"""`splashgen report`: what the tuning did, as a page to look at."""

import json
from pathlib import Path
from typing import Annotated

import typer

from splashgen.cli.studies import StateOption, StorageOption, opened_studies

__all__ = ["report"]


def report(
    gpu: Annotated[
        str | None, typer.Option(help="Only what concerns this chip: h100, cpu, ...; all if left out.")
    ] = None,
    storage: StorageOption = None,
    state: StateOption = None,
    output: Annotated[Path, typer.Option("--output", "-o", dir_okay=False, help="The page to write.")] = Path(
        "splashgen-report.html"
    ),
    png: Annotated[
        Path | None, typer.Option(file_okay=False, help="Write the pictures into this folder as well.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, and write no page; needs no matplotlib.")
    ] = False,
) -> None:
    """Show the studies of `splashgen tune` and the tables of configs: one HTML page that loads nothing.

    Convergence, accuracy against latency, which parameters mattered, what was rejected and why, and which
    problems have a config on which chip. Exit code 2 if the storage or matplotlib is missing.
    """
    from splashgen.errors import SplashgenError
    from splashgen.report import as_json as plain
    from splashgen.report import collect, draw_pngs, render_page

    try:
        contents = collect(opened_studies(storage, state), gpu)
        if as_json:
            typer.echo(json.dumps(plain(contents), indent=2, allow_nan=False))
        else:
            page = render_page(contents)
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_text(page, encoding="utf-8")
            typer.echo(f"{output}: {len(contents.histories)} problems")
        if png is not None:
            for path in draw_pngs(contents, png):
                typer.echo(str(path), err=as_json)
    except (SplashgenError, OSError) as error:
        typer.echo(f"splashgen report: {error}", err=True)
        raise typer.Exit(2) from None

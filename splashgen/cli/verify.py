"""`splashgen verify`: are the stored configs of this device still right, and as fast as they say?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from splashgen.verify import Verified

__all__ = ["verify"]


def verify(
    gpu: Annotated[
        str, typer.Option(help="The device to check, which must be the one of this machine.")
    ] = "auto",
    folder: Annotated[
        Path | None, typer.Option(help="Check the files of this folder only, and store there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the stored configs of this machine with the strict gate, time them, and store the results.

    What passes is stored as measured today; what fails is no longer used until it passes or is tuned anew.

    Exit code 1 if an entry failed or the device is busy, 2 if the device is another one or there is no such
    folder.
    """
    from splashgen.errors import SplashgenError
    from splashgen.store.entry import Entry
    from splashgen.tune.target import GpuNotHereError, choose_gpu
    from splashgen.verify import stored_entries
    from splashgen.verify import verify as checked

    def announce(place: int, entry: Entry) -> None:
        if not as_json:
            typer.echo(f"[{place}/{len(entries)}] {entry.title}")

    if folder is not None and not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        typer.echo(
            f"splashgen verify: --folder {folder} {what}; name the one that holds the files.", err=True
        )
        raise typer.Exit(2)
    results = []
    try:
        here = choose_gpu(gpu)
        entries = stored_entries(here, folder)
        if not entries and not as_json:
            typer.echo(f"Nothing is stored for {here.name}; `splashgen tune` finds configs for it.")
        for result in checked(entries, here, folder, notify=announce):
            results.append(result)
            if not as_json:
                typer.echo(_line(result))
    except SplashgenError as error:
        typer.echo(f"splashgen verify: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, GpuNotHereError) else 1) from None
    if as_json:
        typer.echo(json.dumps([_plain(result) for result in results], indent=2))
    if not all(result.passed for result in results):
        raise typer.Exit(1)


def _line(result: "Verified") -> str:
    if not result.passed:
        text = f"  {result.outcome.status.value}: {result.outcome.reason}"
        return f"{text} It is no longer used." if result.entry.failure else text
    after = result.entry.time_ms.median
    return f"  right; {after:.4g} ms, {result.before_ms:.4g} ms when it was stored"


def _plain(result: "Verified") -> dict[str, Any]:
    return {
        "problem": result.entry.problem.as_dict(),
        "regime": result.entry.regime.value,
        "status": result.outcome.status.value,
        "reason": result.outcome.reason,
        "before_ms": result.before_ms,
        "after_ms": result.entry.time_ms.median if result.passed else None,
    }

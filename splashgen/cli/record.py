"""`splashgen record`: measure every candidate of a space, for `splashgen tune --replay`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splashgen.cli.options import Choice, RegimeName, problem_options

if TYPE_CHECKING:
    from splashgen.tune.recordings.recording import Row

__all__ = ["record"]

_EVERY = 25
"""Rows between two lines of progress."""


@problem_options
def record(
    choice: Choice,
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where the recording is, or will be.")],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=V1,V2...]",
            help="A parameter that varies, and its values if not all; may be repeated. The others keep the "
            "default's value. Without it all parameters vary.",
        ),
    ] = None,
    time: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds, after which no candidate is begun.")
    ] = None,
    timing: Annotated[float, typer.Option(min=0.001, help="Seconds of timing for each candidate.")] = 0.1,
) -> None:
    """Judge and time every candidate of a space on this machine's device, once each.

    The same command goes on where an earlier one stopped. Exit status 3: the time was up before the end.
    """
    from splashgen.errors import SplashgenError
    from splashgen.families import family_for
    from splashgen.tune.recordings.record import record as record_space
    from splashgen.tune.recordings.recording import varied
    from splashgen.tune.target import choose_gpu

    try:
        if choice.sparsity is not RegimeName.MIXED:
            raise ValueError(
                f"--sparsity is {choice.sparsity.value}, but a recording holds times of the mixture; "
                "leave it out."
            )
        device = choose_gpu(choice.gpu)
        problem = choice.problem(device).bucketed()
        family = family_for(problem, device)
        space, default = family.space.narrowed(problem, device), family.default(problem, device)
        wishes = _wishes(vary) if vary else {name: [] for name in space.choices}
        space = varied(space, default, wishes)
        recording = record_space(
            problem, device, space, default, file, seconds=time, timing_seconds=timing, told=_told
        )
    except (ValueError, NotImplementedError, SplashgenError, OSError) as error:
        typer.echo(f"splashgen record: {error}", err=True)
        raise typer.Exit(2 if isinstance(error, ValueError | NotImplementedError) else 1) from None
    typer.echo(f"{len(recording.rows)} of {recording.head.points} candidates are in {file}.")
    if not recording.complete:
        raise typer.Exit(3)


def _wishes(texts: list[str]) -> dict[str, list[str]]:
    split = (text.partition("=") for text in texts)
    return {name: [value for value in values.split(",") if value] for name, _, values in split}


def _told(row: "Row", done: int, points: int) -> None:
    if done % _EVERY == 0 or done == points:
        said = f"{row.outcome.median:.4g} ms" if row.outcome.ok else row.outcome.reason
        typer.echo(f"{done}/{points} {row.config}: {said}", err=True)

"""`splashgen recordings`: what tunes have measured, as recordings."""

from pathlib import Path
from typing import Annotated

import typer

from splashgen.cli.studies import StateOption, StorageOption, opened_studies

__all__ = ["recordings"]


def recordings(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where the recordings will be.")],
    gpu: Annotated[
        str | None, typer.Option(help="Only studies of this chip: h100, cpu, ...; all if left out.")
    ] = None,
    storage: StorageOption = None,
    state: StateOption = None,
    kernels: Annotated[
        bool,
        typer.Option(
            "--kernels",
            help="Compile each candidate anew for its registers, shared memory and instructions, which a "
            "cost model needs; no GPU is used.",
        ),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Compilers at a time, for --kernels; the cores if left out.")
    ] = None,
) -> None:
    """Write what the studies of `splashgen tune` have measured as recordings, one file a study.

    Studies may still run: the same command brings their files up to date. The files are read by
    `splashgen tune --replay` and benchmarks/judge_plan.py. Exit code 2 if there is no study.
    """
    import os

    from splashgen.compile import CompilePool
    from splashgen.errors import SplashgenError
    from splashgen.tune.recordings.files import write
    from splashgen.tune.recordings.kernels import with_kernels
    from splashgen.tune.recordings.tuned import recordings_of

    try:
        opened = opened_studies(storage, state)
        tuned, left_out = recordings_of(opened, gpu) if opened is not None else ([], [])
        for reason in left_out:
            typer.echo(f"Left out: {reason}", err=True)
        if not tuned:
            raise SplashgenError("There is no study to make a recording of; `splashgen tune` makes them.")
        with CompilePool(jobs or os.cpu_count() or 1) as pool:  # no process starts before it is needed
            for one in tuned:
                recording = with_kernels(one.recording, pool) if kernels else one.recording
                path = folder / f"{one.name}.jsonl"
                write(path, recording)
                right = sum(row.outcome.ok for row in recording.rows)
                typer.echo(f"{path}: {len(recording.rows)} candidates, {right} of them correct")
    except (SplashgenError, OSError) as error:
        typer.echo(f"splashgen recordings: {error}", err=True)
        raise typer.Exit(2) from None

"""`splashgen tune`: find the fastest configs for the device that is here, and store them."""

from pathlib import Path
from typing import Annotated

import typer

from splashgen.cli.options import OperationName, RegimeName
from splashgen.cli.tune_options import (
    PresetName,
    advice_asked_for,
    limits_asked_for,
    problems_asked_for,
    regimes_asked_for,
)
from splashgen.problem import MAX_HEAD_DIM

__all__ = ["tune"]


def tune(
    gpu: Annotated[
        str, typer.Option(help="The device to tune, which must be the one of this machine: h100, cpu, ...")
    ] = "auto",
    preset: Annotated[
        PresetName, typer.Option(help="The problems to tune when none of the options below names one.")
    ] = PresetName.STANDARD,
    operation: Annotated[OperationName | None, typer.Option(help="Tune this operation.")] = None,
    head_dim: Annotated[int | None, typer.Option(min=1, max=MAX_HEAD_DIM, help="Of query and key.")] = None,
    value_dim: Annotated[
        int | None, typer.Option(min=1, max=MAX_HEAD_DIM, help="Of value; the head dim if left out.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="bfloat16, float16, float32, float64; bfloat16 on a GPU if left out.")
    ] = None,
    alpha: Annotated[
        str | None, typer.Option(help="In [1.0001, 2], such as 4/3, or generic; 1.5 if left out.")
    ] = None,
    causal: Annotated[
        bool | None, typer.Option("--causal/--no-causal", help="Causal attention if left out.")
    ] = None,
    seq_len: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Sequence length; may be repeated. Tuned at the next power of two."),
    ] = None,
    inference: Annotated[bool, typer.Option("--inference", help="Forward only.")] = False,
    sparsity: Annotated[
        list[RegimeName] | None,
        typer.Option(
            help="The scores to tune attention for, as sparsity= in a call; may be repeated. "
            "What the preset says if left out: mixed, for full all three."
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Candidates for each problem, at most.")] = None,
    time: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds of search for each problem, once its first kernel is compiled."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Tune anew what an earlier run finished.")] = False,
    output: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for the winners; the user's own if left out.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Append every event to this file as JSON lines.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            envvar="SPLASHGEN_STORAGE",
            help="Where the studies are kept: postgresql://user@host/database to share them between "
            "machines; a file of this user if left out.",
        ),
    ] = None,
    worker: Annotated[
        bool,
        typer.Option("--worker", help="Join the studies that a tune on the same --storage has begun."),
    ] = False,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Of the search; another one makes a tune independent of an earlier one."),
    ] = 0,
    planned: Annotated[
        int,
        typer.Option(
            min=0,
            help="So many first choices of the cost model (see splashgen plan) are tried early. It compiles "
            "up to 24 candidates for each problem first, while the device waits.",
        ),
    ] = 0,
    replay: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Tune the problem of this recording (see splashgen record), which stands in for the device. "
            "The winner goes to --output, or to a folder beside the studies.",
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Report every trial.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the final table only.")] = False,
) -> None:
    """Find the fastest correct config of each problem on this machine's device, and store it.

    Ctrl-C keeps what was found, and the same command goes on from there.
    """
    from splashgen.errors import SplashgenError
    from splashgen.store import Regime
    from splashgen.tune import Limits, choose_gpu, work
    from splashgen.tune import tune as tune_problems
    from splashgen.tune.presets import preset as named_preset
    from splashgen.tune.show.summary import print_summary
    from splashgen.tune.show.watching import watching
    from splashgen.tune.target import GpuNotHereError

    try:
        device = choose_gpu(gpu)
    except GpuNotHereError as error:
        raise _failure(error, 2) from None
    try:
        chosen = named_preset(preset.value, device)
        named = (operation, head_dim, value_dim, dtype, alpha, causal, seq_len)
        options = (*named, sparsity, trials, time)
        if (planned or seed) and (worker or replay):
            raise ValueError("--planned and --seed are for the tuner that begins a search; leave them out.")
        planner = advice_asked_for(device, planned)
        if worker and (again or inference or any(value is not None for value in options)):
            raise ValueError(
                "--worker takes problems and limits from the studies it joins; "
                "leave out the options that name them."
            )
        if replay and (worker or inference or any(value is not None for value in (*named, sparsity))):
            raise ValueError(
                "--replay takes device and problem from its file; leave out the options that name them, "
                "and --worker: the same command joins the study on the same --storage."
            )
        if inference or any(value is not None for value in named):
            problems = problems_asked_for(
                device, operation, head_dim, value_dim, dtype, alpha, causal, seq_len, inference
            )
            regimes = regimes_asked_for(sparsity, operation) or (Regime.MIXED,)
        else:
            problems, regimes = chosen.problems, regimes_asked_for(sparsity, operation) or chosen.regimes
    except ValueError as error:
        raise _failure(error, 2) from None
    try:
        limits = limits_asked_for(Limits() if replay else chosen.limits, trials, time)
        with watching(log, verbose, quiet) as notify:
            if replay:
                from splashgen.tune.recordings.replay import replay as tune_recorded

                report, device = tune_recorded(
                    replay, limits, again=again, folder=output, storage=storage, notify=notify
                )
            elif worker:
                report = work(storage, device, folder=output, notify=notify)
            else:
                with planner as advice:
                    report = tune_problems(
                        problems,
                        device,
                        limits,
                        regimes=regimes,
                        again=again,
                        folder=output,
                        storage=storage,
                        notify=notify,
                        advice=advice,
                        seed=seed,
                    )
    except NotImplementedError as error:
        raise _failure(error, 2) from None
    except (SplashgenError, OSError) as error:
        raise _failure(error, 1) from None
    except KeyboardInterrupt:
        raise _failure(
            "stopped at once: what was not confirmed is not stored, and the same command goes on from the "
            "trials that were made.",
            130,
        ) from None
    print_summary(report, device)
    if report.interrupted:
        raise typer.Exit(130)
    if any(ended.entry is None for ended in report.ended):
        raise typer.Exit(1)


def _failure(error: Exception | str, code: int) -> typer.Exit:
    typer.echo(f"splashgen tune: {error}", err=True)
    return typer.Exit(code)

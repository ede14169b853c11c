"""`splashgen plan`: configs for a chip that is not here, compiled for it and ranked, never run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from splashgen.cli.options import Choice, OperationName, problem_options
from splashgen.cli.tune_options import PresetName
from splashgen.problem import MAX_HEAD_DIM

if TYPE_CHECKING:
    from splashgen.gpu import Gpu
    from splashgen.plan import Plan
    from splashgen.problem import Problem
    from splashgen.store import Regime

__all__ = ["plan"]


@problem_options
def plan(
    choice: Choice,
    gpu: Annotated[str, typer.Option(help="The chip to plan for: a100, l40s, rtx4090, b200, mi300x, ...")],
    operation: Annotated[OperationName | None, typer.Option(help="Plan this operation.")] = None,
    head_dim: Annotated[int | None, typer.Option(min=1, max=MAX_HEAD_DIM, help="Of query and key.")] = None,
    dtype: Annotated[str | None, typer.Option(help="bfloat16 (if left out), float16 or float32.")] = None,
    alpha: Annotated[
        str | None, typer.Option(help="In [1.0001, 2], such as 4/3, or generic; 1.5 if left out.")
    ] = None,
    causal: Annotated[
        bool | None, typer.Option("--causal/--no-causal", help="Causal attention if left out.")
    ] = None,
    seq_len: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Sequence length; may be repeated. Planned at the next power of two."),
    ] = None,
    preset: Annotated[
        PresetName, typer.Option(help="The problems to plan where no other option names one.")
    ] = PresetName.STANDARD,
    candidates: Annotated[int, typer.Option(min=1, help="Candidates for each problem, at most.")] = 24,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Compilers at a time; the cores if left out.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for the plans; the user's own if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole ranking as JSON.")] = False,
) -> None:
    """Compile candidates for a chip that is not here, rank those that fit it, and store the first choice.

    Neither GPU nor driver is needed. What was compiled is kept, so that the same command goes on where an
    earlier one stopped. Plans answer where nothing was measured; `splashgen tune` on the chip replaces them.
    """
    from splashgen.errors import SplashgenError
    from splashgen.gpu import KNOWN_GPUS
    from splashgen.store import save
    from splashgen.tune.presets import preset as named_preset

    try:
        if gpu not in KNOWN_GPUS:
            raise ValueError(f"--gpu is {gpu!r}, but must be one of {', '.join(KNOWN_GPUS)}.")
        device = KNOWN_GPUS[gpu]
        named = {
            "operation": operation,
            "head_dim": head_dim,
            "dtype": dtype,
            "alpha": alpha,
            "causal": causal,
        }
        given = {name: value for name, value in named.items() if value is not None}
        problems = _problems(choice, given, seq_len, device) or named_preset(preset.value, device).problems
        plans = _planned(problems, device, candidates, jobs, choice.regime)
    except (ValueError, NotImplementedError) as error:
        typer.echo(f"splashgen plan: {error}", err=True)
        raise typer.Exit(2) from None
    entries = [each.entry for each in plans if each.ranked]
    try:
        path = save(device, entries, output)
    except SplashgenError as error:
        typer.echo(f"splashgen plan: {error}", err=True)
        raise typer.Exit(1) from None
    _print(plans, device, path, as_json)
    if len(entries) < len(plans):
        raise typer.Exit(1)


def _problems(
    choice: Choice, given: dict[str, Any], seq_len: list[int] | None, gpu: "Gpu"
) -> tuple["Problem", ...]:
    """What the options name, one problem a length; nothing where they name none."""
    if not given and not seq_len and choice == Choice(sparsity=choice.sparsity):
        return ()
    causal = given.get("operation") is not OperationName.ENTMAX
    chosen = replace(choice, **{"causal": causal, **given})
    return tuple(replace(chosen, seq_len=length).problem(gpu) for length in seq_len or [choice.seq_len])


def _planned(
    problems: tuple["Problem", ...], gpu: "Gpu", candidates: int, jobs: int | None, regime: "Regime"
) -> list["Plan"]:
    import os

    from rich.console import Console
    from rich.progress import Progress

    from splashgen.compile import CompilePool
    from splashgen.plan import Compiled, plan_problem

    plans = []
    with (
        CompilePool(jobs or os.cpu_count() or 1) as pool,
        Progress(console=Console(stderr=True)) as progress,
    ):
        compiled = Compiled(pool)
        for place, problem in enumerate(problems, 1):
            task = progress.add_task(f"[{place}/{len(problems)}] {problem}".replace("[", r"\["))
            plans.append(
                plan_problem(
                    problem,
                    gpu,
                    compiled,
                    candidates,
                    told=lambda config, done, most, task=task: progress.update(  # type: ignore[misc]
                        task, completed=done, total=most
                    ),
                    regime=regime,
                )
            )
            progress.update(task, completed=1, total=1)
    return plans


def _print(plans: list["Plan"], gpu: "Gpu", path: Path, as_json: bool) -> None:
    from splashgen.plan.constants import constants_for

    _, basis = constants_for(gpu)
    if as_json:
        facts: dict[str, Any] = {"gpu": gpu.slug, "constants": basis, "file": str(path)}
        facts["plans"] = [_plain(each) for each in plans]
        typer.echo(json.dumps(facts, indent=2))
        return
    for each in plans:
        counts = f"{len(each.ranked)} fit, {len(each.rejected)} do not"
        if not each.ranked:
            typer.echo(f"{each.title}: no candidate fits; {next(iter(each.rejected.values()), '')}")
            continue
        best = each.choice
        typer.echo(f"{each.title}: predicted {best.predicted_ms:.2g} ms ({counts})\n    {best.config}")
    typer.echo(f"Compiled for {gpu.name}, never run on it. The cost model has {basis}.")
    typer.echo(f"Stored in {path}")


def _plain(plan: "Plan") -> dict[str, Any]:
    return {
        "problem": plan.problem.as_dict(),
        "regime": plan.regime.value,
        "ranked": [{"config": one.config.as_dict(), "predicted_ms": one.predicted_ms} for one in plan.ranked],
        "rejected": [
            {"config": config.as_dict(), "reason": reason} for config, reason in plan.rejected.items()
        ],
    }

"""`splashgen warmup`: compile what a model will need before its first step."""

import dataclasses
import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from splashgen.cli.options import Choice, problem_options
from splashgen.problem import MAX_HEAD_DIM

if TYPE_CHECKING:
    from splashgen.warming import Warmed

__all__ = ["warmup"]


@problem_options
def warmup(
    choice: Choice,
    head_dim: Annotated[
        list[int] | None,
        typer.Option(min=1, max=MAX_HEAD_DIM, help="Of query and key; repeatable; 64 if left out."),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option(help="bfloat16, float16, float32; repeatable; bfloat16 if left out, on a CPU float32."),
    ] = None,
    seq_len: Annotated[
        list[int] | None,
        typer.Option(min=1, help="The length whose tuned config is taken; repeatable; 4096 if left out."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many compile at a time; one a core if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compile kernels into Triton's cache, so that the first call of a process only loads them.

    The GPU need not be here. Exit code 1 if a kernel could not be compiled.
    """
    from splashgen.warming import warm

    try:
        device = choice.device()
        kinds: Sequence[str | None] = dtype or [None]
        dims: Sequence[int | None] = head_dim or [None]
        axes = dims, kinds, seq_len or [choice.seq_len]
        problems = [
            dataclasses.replace(choice, head_dim=dim, dtype=kind, seq_len=length).problem(device)
            for dim, kind, length in itertools.product(*axes)
        ]
        done = warm(
            problems, device, processes, lambda warmed: None if as_json else _say(warmed), choice.regime
        )
    except (ValueError, NotImplementedError) as error:
        typer.echo(f"splashgen warmup: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps([_plain(warmed) for warmed in done], indent=2))
    elif not all(warmed.launchers or warmed.trouble for warmed in done):
        typer.echo(
            f"{device.name} is not here: the first call there still compiles its launchers (C, not GPU code)."
        )
    if any(warmed.trouble for warmed in done):
        raise typer.Exit(1)


def _say(warmed: "Warmed") -> None:
    counts = f"{warmed.compiled} compiled, {warmed.found} found in the cache, {warmed.seconds:.1f} s"
    typer.echo(f"{warmed.problem}: {warmed.trouble or counts}")


def _plain(warmed: "Warmed") -> dict[str, Any]:
    facts = dataclasses.asdict(warmed)
    config = {"family": warmed.config.family, "config": warmed.config.as_dict()}
    return {**facts, "problem": warmed.problem.as_dict(), **config}

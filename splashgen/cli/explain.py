"""`splashgen explain`: which config a problem gets on a device, and why."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from splashgen.cli.options import Choice, problem_options

if TYPE_CHECKING:
    from splashgen.gpu import Gpu
    from splashgen.problem import Problem
    from splashgen.store import Regime

__all__ = ["explain"]


@problem_options
def explain(
    choice: Choice, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show which tuned config answers a problem, what was tried before it, and what would tune it."""
    problem, _, device = choice.settled("explain")
    account = _account(problem, device, choice.regime)
    if as_json:
        typer.echo(json.dumps(account, indent=2))
    else:
        _print(account)


def _account(problem: "Problem", gpu: "Gpu", regime: "Regime") -> dict[str, Any]:
    """Everything that is known about the look-up, as plain values."""
    from splashgen.dispatch import is_fallback, tune_command
    from splashgen.store import lookup, nearest_miss
    from splashgen.store.key import tuning_key

    match = lookup(problem, gpu, regime)
    miss = nearest_miss(problem, gpu, regime) if is_fallback(match) else None
    # The mixture answers for a regime without a warning, but not as well as the regime's own entry would.
    own = not is_fallback(match) and match.entry is not None and match.entry.regime is regime
    return {
        "problem": str(problem),
        "tuning_key": str(tuning_key(problem)),
        "regime": regime.value,
        "gpu": {"slug": gpu.slug, "name": gpu.name, "architecture": gpu.arch},
        "rung": match.rung.value,
        "source": match.source.value,
        "file": str(match.path) if match.path else None,
        "family": match.config.family,
        "config": match.config.as_dict(),
        "note": match.note,
        "time_ms": match.entry.time_ms.median if match.entry else None,
        "steps": [
            {
                "rung": step.rung.value,
                "source": step.source.value,
                "file": str(step.path) if step.path else None,
                "entry": step.entry.title if step.entry else None,
                "verdict": step.verdict,
            }
            for step in match.steps
        ],
        "nearest_miss": None
        if miss is None
        else {
            "entry": miss[0].title,
            "differences": {
                name: {"tuned": str(tuned), "wanted": str(wanted)}
                for name, (tuned, wanted) in miss[1].items()
            },
        },
        "tune_command": None if own else tune_command(problem, gpu, regime),
    }


def _print(account: dict[str, Any]) -> None:
    typer.echo(f"Problem    {account['problem']}")
    typer.echo(f"Tuned as   {account['tuning_key']}, for {account['regime']} scores")
    typer.echo(
        f"Device     {account['gpu']['name']} ({account['gpu']['slug']}, {account['gpu']['architecture']})"
    )
    typer.echo("\nTried, best first:")
    for step in account["steps"]:
        what = step["entry"] or step["file"] or account["family"]
        typer.echo(f"  {step['rung']:<18} {step['source']:<8} {what}: {step['verdict']}")
    typer.echo(f"\nAnswer     {account['rung']}, from {account['file'] or 'the family itself'}")
    typer.echo(f"Family     {account['family']}")
    typer.echo(f"Config     {', '.join(f'{name}={value}' for name, value in account['config'].items())}")
    if account["time_ms"]:
        planned = account["rung"] == "planned"
        how = "predicted for this chip, never run on it" if planned else "where it was tuned"
        typer.echo(f"Time       {account['time_ms']:.4g} ms {how}")
    if account["note"]:
        typer.echo(f"Note       {account['note']}")
    if account["nearest_miss"]:
        typer.echo(f"\nNearest miss: {account['nearest_miss']['entry']}")
        for name, pair in account["nearest_miss"]["differences"].items():
            typer.echo(f"  {name:<14} tuned {pair['tuned']}, wanted {pair['wanted']}")
    if account["tune_command"]:
        typer.echo(f"\nTune it with: {account['tune_command']}")

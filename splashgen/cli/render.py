"""`splashgen render`: print the generated file of a problem, to read it."""

import typer

from splashgen.cli.options import Choice, problem_options

__all__ = ["render"]


@problem_options
def render(choice: Choice) -> None:
    """Print the kernel file that splashgen runs for a problem on a device, which need not be here."""
    from splashgen.render import render as render_file

    problem, config, _ = choice.settled("render")
    typer.echo(render_file(problem, config).source, nl=False)

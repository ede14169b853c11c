"""Pictures of a report: SVG elements for the page, PNG files for elsewhere. Needs matplotlib."""

import re
from pathlib import Path
from typing import Any

from markupsafe import Markup

from splashgen.report.contents import Contents
from splashgen.report.coverage import MEANINGS, Coverage
from splashgen.report.histories import History
from splashgen.report.panels import PANELS
from splashgen.report.theme import COLORS, drawing, svg, write_png

__all__ = ["draw_panels", "draw_pngs"]


def draw_panels(history: History, name: str) -> dict[str, Markup]:
    """The panels of one history as SVG elements by panel, their ids under `name`."""
    drawn = {}
    with drawing():
        from matplotlib.figure import Figure

        for panel, draw in PANELS.items():
            figure = Figure(figsize=(4.8, 3.1), layout="constrained")
            draw(figure.add_subplot(), history)
            drawn[panel] = svg(figure, f"{name}-{panel}")
    return drawn


def draw_pngs(contents: Contents, folder: Path) -> list[Path]:
    """A PNG for each history and each table of coverage, in `folder`, which is made if it is missing.

    Raises
    ------
    ReportError
        If matplotlib is not installed.
    """
    with drawing():
        folder.mkdir(parents=True, exist_ok=True)
        paths = [
            write_png(_sheet(history), folder / f"{_stem(history)}.png") for history in contents.histories
        ]
        for covered in contents.coverage:
            stem = "coverage-cpu" if covered.chips == ("cpu",) else "coverage"
            paths.append(write_png(_coverage(covered), folder / f"{stem}.png"))
    return paths


def _stem(history: History) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", f"{history.gpu.slug} {history.title}".lower())


def _sheet(history: History) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 6.6), layout="constrained")
    figure.suptitle(f"{history.title}, {history.gpu.name}", x=0.01, ha="left", fontsize=11)
    for axes, draw in zip(figure.subplots(2, 2).flat, PANELS.values(), strict=True):
        draw(axes, history)
    return figure


_SHADES = {
    "measured": "winner",
    "transferred": "best",
    "planned": "default",
    "changed": "loss",
    "failed": "ink",
    "none": "grid",
}


def _coverage(covered: Coverage) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    rows, columns = len(covered.problems), len(covered.chips)
    figure = Figure(figsize=(4.6 + 0.55 * columns, 1.2 + 0.24 * rows), layout="constrained")
    axes = figure.add_subplot()
    cells = [(column, row) for row in range(rows) for column in range(columns)]
    shades = [
        COLORS[_SHADES[covered.states[covered.problems[row], covered.chips[column]]]] for column, row in cells
    ]
    xs, ys = zip(*cells, strict=True)
    axes.scatter(xs, ys, s=70, marker="s", color=shades, linewidths=0)
    axes.set_xticks(range(columns), covered.chips, fontsize=8)
    axes.set_yticks(range(rows), [str(problem) for problem in covered.problems], fontsize=7)
    axes.set(xlim=(-0.6, columns - 0.4), ylim=(rows - 0.4, -0.6))
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    handles = [Patch(color=COLORS[_SHADES[state]], label=state) for state in MEANINGS]
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles))
    return figure

"""Pictures of results. Needs matplotlib."""

from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from examples.kit.tables import grouped
from examples.kit.variants import COLORS

__all__ = ["curves", "figure", "save"]


def figure(columns: int, rows: int = 1) -> tuple[Any, Any]:
    """A figure and its (rows, columns) axes, drawn without a display.

    Raises
    ------
    SystemExit
        If matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise SystemExit(
            "Plots need matplotlib; install it with: pip install 'splashgen-kernels[plots]', "
            "or leave them out with --no-plot."
        ) from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(
        rows, columns, figsize=(4.4 * columns, 3.4 * rows), squeeze=False, layout="constrained"
    )


def curves(
    axes: Any,
    rows: list[dict[str, Any]],
    x: Callable[[dict[str, Any]], list[float]],
    y: Callable[[dict[str, Any]], list[float]],
) -> None:
    """One line a variant: the mean over the seeds that are there, and from lowest to highest a band."""
    for variant, group in grouped(rows, lambda row: row["variant"]).items():
        values: dict[float, list[float]] = {}
        for row in group:
            for place, value in zip(x(row), y(row), strict=True):
                values.setdefault(place, []).append(value)
        xs = sorted(values)
        columns = [values[place] for place in xs]
        color = COLORS.get(variant)
        axes.plot(xs, [mean(c) for c in columns], marker="o", markersize=3, color=color, label=variant)
        axes.fill_between(xs, list(map(min, columns)), list(map(max, columns)), color=color, alpha=0.2, lw=0)


def save(drawn: Any, grid: Any, path: Path) -> None:
    """Add grid lines and legends where there are labels, and write the PNG."""
    from matplotlib import pyplot

    for axes in grid.flat:
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize="small")
    drawn.savefig(path, dpi=130)
    pyplot.close(drawn)

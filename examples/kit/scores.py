"""Table and picture of experiments whose runs have a family, a variant and one score."""

from pathlib import Path
from statistics import mean
from typing import Any

from examples.kit.plots import curves, figure, save
from examples.kit.tables import grouped, markdown, spread
from examples.kit.variants import COLORS

__all__ = ["draw_scores", "score_table"]

Row = dict[str, Any]


def score_table(rows: list[Row], title: str) -> str:
    """Score, milliseconds a step and peak memory, mean ± standard deviation over seeds."""
    lines = [
        [
            family,
            variant,
            spread([row["score"] for row in group], 4),
            spread([row["step_ms"] for row in group], 1),
            spread([row["peak_gb"] for row in group], 2),
            len(group),
        ]
        for (family, variant), group in grouped(rows, lambda row: (row["family"], row["variant"])).items()
    ]
    return markdown(["shape of", "attention", title, "ms a step", "peak GB", "seeds"], lines)


def draw_scores(rows: list[Row], path: Path, title: str) -> None:
    """For each family the scores, a dot a seed and a bar at their mean, and below them the losses."""
    families = grouped(rows, lambda row: row["family"])
    drawn, grid = figure(len(families), 2)
    for column, (family, group) in enumerate(families.items()):
        top, bottom = grid[:, column]
        variants = grouped(group, lambda row: row["variant"])
        for place, (variant, some) in enumerate(variants.items()):
            scores = [row["score"] for row in some]
            top.plot([place] * len(scores), scores, "o", ms=4, color=COLORS[variant])
            top.plot([place - 0.2, place + 0.2], [mean(scores)] * 2, color=COLORS[variant])
        top.set_xticks(range(len(variants)), list(variants))
        top.set(title=family, ylabel=title, xlim=(-0.5, len(variants) - 0.5))
        curves(bottom, group, _progress, lambda row: row["losses"])
        bottom.set(xlabel="fraction of steps", ylabel="training loss")
    save(drawn, grid, path)


def _progress(row: Row) -> list[float]:
    count = len(row["losses"])
    return [i / max(count - 1, 1) for i in range(count)]

"""The table and the picture of attention timed on a model's own queries, keys and values."""

from pathlib import Path
from typing import Any

from examples.kit.plots import figure, save
from examples.kit.tables import grouped, markdown
from splashgen.bench.peers import PEERS

__all__ = ["draw", "table"]

Row = dict[str, Any]


def table(rows: list[Row]) -> str:
    """Milliseconds of forward and backward, medians, for each layer and α."""
    names = list(rows[0]["peers"])
    lines = [
        [
            row["layer"],
            row["alpha"],
            f"{row['tile_density']:.2f}",
            *(_cell(row["peers"][name]) for name in names),
        ]
        for row in sorted(rows, key=lambda row: (row["alpha"], row["layer"]))
    ]
    titles = (PEERS[name].title for name in names)
    return markdown(["layer", "α", "tile density", *titles], lines) + "\n\nms, forward and backward."


def _cell(row: Row) -> str:
    return f"{row['median_ms']:.3f}" if row["status"] == "ok" else str(row["status"])


def draw(rows: list[Row], path: Path) -> None:
    """Time against layer, a picture for each α, with the density of tiles."""
    panels = grouped(rows, lambda row: row["alpha"])
    drawn, grid = figure(len(panels))
    for axes, (alpha, group) in zip(grid[0], panels.items(), strict=True):
        group.sort(key=lambda row: row["layer"])
        for color, name in enumerate(group[0]["peers"]):
            points = [
                (row["layer"], row["peers"][name]["median_ms"])
                for row in group
                if row["peers"][name]["status"] == "ok"
            ]
            if points:
                title = PEERS[name].title
                axes.plot(*zip(*points, strict=True), "o-", ms=3, color=f"C{color}", label=title)
        axes.set(yscale="log", title=f"α = {alpha}", xlabel="layer", ylabel="forward + backward, ms")
    save(drawn, grid, path)

"""The table and the picture of a converted model."""

from pathlib import Path
from statistics import mean
from typing import Any

from examples.kit.plots import figure, save
from examples.kit.tables import grouped, markdown, spread

__all__ = ["draw", "table"]

Row = dict[str, Any]


def table(rows: list[Row]) -> str:
    """Similarity, mean ± standard deviation over seeds, and each layer's support in percent of the tokens."""
    lines = [
        [
            variant,
            spread([row["auc"] for row in group], 4),
            spread([row["ndcg"] for row in group], 4),
            " ".join(f"{100 * share:.0f}" for share in _support(group)) or "all 100",
            len(group),
        ]
        for variant, group in grouped(rows, lambda row: row["variant"]).items()
    ]
    return markdown(["attention", "AUC", "nDCG@10", "% of tokens attended to, by layer", "seeds"], lines)


def _support(group: list[Row]) -> list[float]:
    """The mean over seeds for each layer; empty for softmax, which attends to everything."""
    shares = [row["support"] for row in group if row["support"] is not None]
    return [mean(layer) for layer in zip(*shares, strict=True)]


def draw(rows: list[Row], path: Path) -> None:
    """nDCG@10 of each variant, a dot a seed, and each layer's support."""
    drawn, grid = figure(2)
    left, right = grid[0]
    variants = grouped(rows, lambda row: row["variant"])
    for place, (variant, group) in enumerate(variants.items()):
        left.plot([row["ndcg"] for row in group], [place] * len(group), "o", ms=4, color=f"C{place}")
        shares = _support(group)
        if shares:
            right.plot(range(1, len(shares) + 1), shares, "o-", ms=3, color=f"C{place}", label=variant)
    left.set_yticks(range(len(variants)), list(variants))
    left.invert_yaxis()
    left.set(xlabel="nDCG@10")
    right.set(xlabel="layer", ylabel="share of tokens attended to", ylim=(0, 1))
    save(drawn, grid, path)

"""The table, the targets and the picture of training steps."""

from pathlib import Path
from typing import Any

from examples.kit.plots import figure, save
from examples.kit.tables import grouped, markdown
from splashgen.bench.peers import PEERS

__all__ = ["draw", "table", "verdicts"]

Row = dict[str, Any]

_SHORT, _LONG = 1024, 8192
_ALLOWED = 1.02
_ADASPLASH = ("adasplash1", "adasplash2")


def table(rows: list[Row]) -> str:
    """Milliseconds and gigabytes of each peer, then whether the targets are met."""
    names = list(rows[0]["peers"])
    lines = [
        [
            row["model"],
            row["length"],
            row["scores"] if row["density"] is None else f"{row['scores']} ({row['density']:.2f})",
            *(_cell(row["peers"][name]) for name in names),
        ]
        for row in sorted(rows, key=lambda row: (row["model"], row["scores"], row["length"]))
    ]
    header = ["model", "length", "scores (density)", *(PEERS[name].title for name in names)]
    targets = markdown(["target", "measured", ""], verdicts(rows))
    return f"{markdown(header, lines)}\n\nms a step / peak GB.\n\n{targets}"


def _cell(row: Row) -> str:
    return f"{row['median_ms']:.1f} / {row['peak_gb']:.1f}" if row["status"] == "ok" else str(row["status"])


def verdicts(rows: list[Row]) -> list[tuple[str, str, str]]:
    """What was aimed at, the worst ratio that was measured, and `met`, `missed` or `not measured`."""
    sparse = [row for row in rows if row["density"] is not None]
    short = _ratios([row for row in sparse if row["length"] == _SHORT], "flash2")
    long = _ratios([row for row in sparse if row["length"] >= _LONG], "flash2")
    others = [ratio for name in _ADASPLASH for ratio in _ratios(rows, name)]
    return [
        _verdict(f"sparse, n={_SHORT}: at most {_ALLOWED}x FlashAttention-2", short, _ALLOWED),
        _verdict(f"sparse, n≥{_LONG}: below FlashAttention-2", long, 1.0),
        _verdict("never slower than AdaSplash", others, 1.0),
    ]


def _ratios(rows: list[Row], peer: str) -> list[float]:
    """Our time over a peer's, wherever both were measured."""
    pairs = [(row["peers"].get("ours"), row["peers"].get(peer)) for row in rows]
    return [
        ours["median_ms"] / other["median_ms"]
        for ours, other in pairs
        if ours and other and ours["status"] == other["status"] == "ok"
    ]


def _verdict(target: str, ratios: list[float], most: float) -> tuple[str, str, str]:
    if not ratios:
        return target, "", "not measured"
    return target, f"at worst {max(ratios):.3f}x", "met" if max(ratios) <= most else "missed"


def draw(rows: list[Row], path: Path) -> None:
    """Time and memory of a step against length, a picture for each model and kind of scores."""
    panels = grouped(rows, lambda row: (row["model"], row["scores"]))
    drawn, grid = figure(len(panels), 2)
    for column, ((model, scores), group) in enumerate(panels.items()):
        group.sort(key=lambda row: row["length"])
        for i, (field, label) in enumerate((("median_ms", "ms a step"), ("peak_gb", "peak GB"))):
            axes = grid[i][column]
            for color, name in enumerate(group[0]["peers"]):
                points = [
                    (row["length"], row["peers"][name][field])
                    for row in group
                    if row["peers"][name]["status"] == "ok"
                ]
                if points:
                    axes.plot(
                        *zip(*points, strict=True), "o-", ms=3, color=f"C{color}", label=PEERS[name].title
                    )
            axes.set_xscale("log", base=2)
            if field == "median_ms":
                axes.set_yscale("log")
            axes.set(title=f"{model}, scores: {scores}", xlabel="length", ylabel=label)
    save(drawn, grid, path)

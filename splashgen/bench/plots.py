"""PNGs of results: time against length, time against density, accuracy against time. Needs matplotlib."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

from splashgen.bench.collected import Collected, milliseconds
from splashgen.bench.peers import PEERS
from splashgen.bench.results import BenchError

__all__ = ["draw_plots"]


def draw_plots(results: Collected, folder: Path, stem: str) -> list[Path]:
    """Draw what there are samples for into `folder`, and return the files.

    Raises
    ------
    BenchError
        If matplotlib is not installed, or there is nothing to draw.
    """
    try:
        import matplotlib
    except ImportError:
        raise BenchError(
            "Plots need matplotlib; install it with: pip install 'splashgen-kernels[plots]'"
        ) from None
    matplotlib.use("Agg")
    points = _points(results)
    if not points:
        raise BenchError("There are no causal α = 1.5 cells to draw.")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [
        _time_against_density(points, folder / f"{stem}-density.png"),
        _accuracy_against_time(points, folder / f"{stem}-accuracy.png"),
    ]
    lines = _of_several_lengths(points)
    if lines:
        drawn.append(_time_against_length(lines, folder / f"{stem}-length.png"))
    return drawn


def _of_several_lengths(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of workloads that were measured at more than one length of some head dim."""
    lengths: dict[tuple[str, int], set[int]] = {}
    for point in points:
        lengths.setdefault((point["workload"], point["head_dim"]), set()).add(point["seq_len"])
    several = {workload for (workload, _), found in lengths.items() if len(found) > 1}
    return [point for point in points if point["workload"] in several]


def _points(results: Collected) -> list[dict[str, Any]]:
    """One a cell and peer that was measured."""
    points = []
    for key in results.keys:
        cell = results.cell(key)
        if not cell["causal"] or cell["alpha"] != "1.5":
            continue
        for name, peer in PEERS.items():
            run = results.run(key, name)
            if run is None or run["peers"][name]["status"] != "ok":
                continue
            row = run["peers"][name]
            points.append(
                cell
                | {
                    "peer": peer,
                    "density": results.density(key),
                    "forward": milliseconds(row, "forward"),
                    "both": milliseconds(row, "both"),
                    "error": row["errors"]["out"][0],
                }
            )
    return points


def _fullest(points: list[dict[str, Any]], *names: str) -> tuple[Any, ...]:
    """The values of some fields for which most workloads have another that computes the same beside ours.

    Of several, those with most workloads at all, and then the largest.
    """
    peers: dict[tuple[Any, ...], Counter[str]] = {}
    for point in points:
        workloads = peers.setdefault(tuple(point[name] for name in names), Counter())
        workloads[point["workload"]] += not point["peer"].softmax
    compared = {values: sum(each > 1 for each in counts.values()) for values, counts in peers.items()}
    return max(peers, key=lambda values: (compared[values], len(peers[values]), values))


def _time_against_length(points: list[dict[str, Any]], path: Path) -> Path:
    """A panel a workload, the sparsest first; those of a head dim begin a new row."""
    dims = sorted({point["head_dim"] for point in points})
    density = {point["workload"]: point["density"] for point in points}
    workloads = sorted(density, key=lambda workload: (density[workload], workload))
    columns = min(len(workloads), _COLUMNS)
    height = math.ceil(len(workloads) / columns)
    figure, grid = _figure(len(dims) * height, columns, scale=0.75)
    for i, dim in enumerate(dims):
        panels = grid[i * height : (i + 1) * height].flat
        for axes, workload in zip(panels, workloads, strict=False):
            chosen = [p for p in points if p["head_dim"] == dim and p["workload"] == workload]
            _lines(axes, chosen, "seq_len", "both")
            axes.set(xscale="log", yscale="log", title=f"{workload}, d={dim}", xlabel="length", ylabel=_BOTH)
            axes.set_xscale("log", base=2)
    return _finish(figure, grid, path)


def _time_against_density(points: list[dict[str, Any]], path: Path) -> Path:
    dims = sorted({point["head_dim"] for point in points})
    figure, grid = _figure(1, len(dims))
    for axes, dim in zip(grid[0], dims, strict=True):
        of_dim = [point for point in points if point["head_dim"] == dim]
        (length,) = _fullest(of_dim, "seq_len")
        _lines(axes, [point for point in of_dim if point["seq_len"] == length], "density", "both")
        axes.set(yscale="log", title=f"n={length}, d={dim}", xlabel="64×64 tile density", ylabel=_BOTH)
    return _finish(figure, grid, path)


def _accuracy_against_time(points: list[dict[str, Any]], path: Path) -> Path:
    length, dim = _fullest(points, "seq_len", "head_dim")
    figure, grid = _figure(1, 1)
    axes = grid[0][0]
    for peer in PEERS.values():
        chosen = [p for p in points if p["peer"] is peer and (p["seq_len"], p["head_dim"]) == (length, dim)]
        if chosen:
            marker = "x" if peer.softmax else "o"
            times, errors = zip(*((point["forward"], point["error"]) for point in chosen), strict=True)
            axes.scatter(times, errors, marker=marker, label=_label(peer), color=_color(peer))
    axes.set(
        xscale="log",
        yscale="log",
        title=f"n={length}, d={dim}, one point a workload",
        xlabel="training forward, ms",
        ylabel="relative error of the output",
    )
    return _finish(figure, grid, path)


_BOTH = "forward + backward, ms"
_COLUMNS = 4
"""More panels beside each other could not be read in a page's width."""


def _lines(axes: Any, points: list[dict[str, Any]], x: str, y: str) -> None:
    for peer in PEERS.values():
        chosen = sorted((point[x], point[y]) for point in points if point["peer"] is peer)
        if chosen:
            xs, ys = zip(*chosen, strict=True)
            style = "--" if peer.softmax else "-"
            axes.plot(xs, ys, style, marker="o", markersize=3, label=_label(peer), color=_color(peer))


def _label(peer: Any) -> str:
    return f"{peer.title} (softmax)" if peer.softmax else str(peer.title)


def _color(peer: Any) -> str:
    """The same for a peer in every picture."""
    return f"C{list(PEERS.values()).index(peer)}"


def _figure(rows: int, columns: int, scale: float = 1.0) -> tuple[Any, Any]:
    from matplotlib import pyplot

    size = (4.5 * scale * columns + 2.0, 3.6 * scale * rows)
    return pyplot.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")


def _finish(figure: Any, grid: Any, path: Path) -> Path:
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    labels: dict[str, Any] = {}
    for axes in grid.flat:
        if not axes.has_data():
            axes.set_axis_off()
            continue
        axes.grid(alpha=0.3)
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log" and axis.get_transform().base == 10:
                # 0.002 and 20, not powers of ten.
                axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axis.set_minor_formatter(NullFormatter())
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            labels.setdefault(label, handle)
    figure.legend(labels.values(), labels.keys(), loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
    return path

"""The pictures of one history, each drawn onto one pair of axes."""

from collections.abc import Callable, Sequence
from typing import Any

from splashgen.report.findings import FEWEST, convergence, frontier, importance
from splashgen.report.histories import Candidate, History
from splashgen.report.theme import COLORS

__all__ = ["PANELS"]

_SHOWN = 10
"""Parameters in the picture of importance."""
_NEAR = 1.2
"""A time axis shows candidates up to so many times the best in any case."""


def _by_trial(axes: Any, history: History) -> None:
    steps = convergence(history)
    _best(axes, history, lambda one: one.number, [(number, best) for number, _, best in steps])
    axes.set(xlabel="candidate", ylabel="ms", title="Best so far, by candidate")
    axes.xaxis.get_major_locator().set_params(integer=True)
    _legend(axes)


def _by_seconds(axes: Any, history: History) -> None:
    steps = convergence(history)
    _best(axes, history, lambda one: one.spent, [(spent, best) for _, spent, best in steps])
    axes.set(xlabel="seconds of search", ylabel="ms", title="Best so far, by time")
    _legend(axes)


def _best(
    axes: Any,
    history: History,
    place: Callable[[Candidate], float],
    steps: Sequence[tuple[float, float]],
) -> None:
    """The staircase over the cloud of timed candidates; what is off the top or was rejected stands there."""
    top = _ceiling(history)
    cloud = [(place(one), one.outcome.median) for one in history.correct]
    _dots(axes, [(x, y) for x, y in cloud if y <= top], "o")
    _dots(axes, [(x, top) for x, y in cloud if y > top], "^")
    if steps:
        xs, ys = zip(*steps, strict=True)
        axes.step(xs, ys, where="post", color=COLORS["best"], linewidth=1.8, label="best so far")
    _mark(axes, history, place, lambda one: one.outcome.median, top)
    if lost := [place(candidate) for candidate in history.rejected]:
        axes.plot(lost, [top] * len(lost), "x", color=COLORS["loss"], markersize=4, label="rejected")
    _fit(axes, top, [one.outcome.median for one in history.correct])
    axes.set_xlim(left=0)


def _dots(axes: Any, points: Sequence[tuple[float, float | None]], marker: str) -> None:
    """Candidates among many; an arrow stands for one that lies further out."""
    style = {"color": COLORS["point"], "markersize": 3.5, "markeredgewidth": 0, "linestyle": "none"}
    axes.plot([x for x, _ in points], [y for _, y in points], marker, **style)


def _mark(
    axes: Any,
    history: History,
    x: Callable[[Candidate], float],
    y: Callable[[Candidate], float | None],
    top: float,
) -> None:
    """The default and the winner among the timed candidates."""
    marks = [("default", "default", history.default, "D", 6), ("winner", "winner", history.winner, "*", 11)]
    if history.default == history.winner:
        marks = [("winner", "default and winner", history.default, "*", 11)]
    for role, label, config, marker, size in marks:
        for candidate in history.correct:
            if candidate.config == config:
                axes.plot(
                    x(candidate),
                    min(y(candidate) or 0.0, top),
                    marker,
                    color=COLORS[role],
                    markersize=size,
                    markeredgewidth=0,
                    linestyle="none",
                    label=label,
                    zorder=5,
                )


def _ceiling(history: History) -> float:
    """Where a time axis ends: a little above the best, the default and all that was best once.

    The slowest would press these flat, and a tuned start is improved by percents.
    """
    times = [one.outcome.median for one in history.correct]
    default = [one.outcome.median for one in history.correct if one.config == history.default]
    return min(max(times), max([_NEAR * min(times), times[0], *default])) if times else 1.0


def _fit(axes: Any, top: float, times: Sequence[float]) -> None:
    """Room for the markers at both ends."""
    room = 0.06 * (top - min(times, default=0.0)) or 0.1 * top
    axes.set_ylim(min(times, default=room) - room, top + room)


def _legend(axes: Any) -> None:
    """A row between title and picture, where it covers nothing."""
    axes.set_title(axes.get_title(loc="left"), pad=22)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 0.99),
        ncols=5,
        borderaxespad=0.0,
        columnspacing=1.2,
        handlelength=1.4,
        handletextpad=0.4,
    )


def _accuracy(axes: Any, history: History) -> None:
    timed = [one for one in history.correct if one.closeness is not None]
    right = _ceiling(history)
    cloud = [(one.outcome.median, one.closeness) for one in timed]
    _dots(axes, [(x, y) for x, y in cloud if x <= right], "o")
    _dots(axes, [(right, y) for x, y in cloud if x > right], ">")
    best = [one for one in frontier(timed) if one.outcome.median <= right]
    if best:
        axes.step(
            [one.outcome.median for one in best],
            [one.closeness for one in best],
            where="post",
            color=COLORS["best"],
            linewidth=1.4,
            marker="o",
            markersize=3.5,
            label="Pareto front",
        )
    _mark(axes, history, lambda one: min(one.outcome.median, right), lambda one: one.closeness, float("inf"))
    axes.axhline(1.0, color=COLORS["loss"], linewidth=1.0, linestyle=(0, (4, 3)), label="budget")
    axes.set(xlabel="ms", ylabel="error / budget", title="Accuracy against latency", ylim=(0.0, 1.1))
    _legend(axes)


def _importance(axes: Any, history: History) -> None:
    shares = importance(history)
    axes.set_title("What mattered", pad=22)
    if shares is None:
        axes.set_axis_off()
        few = f"{len(history.correct)} candidates were timed;\nfewer than {FEWEST} say nothing reliable."
        text = few if len(history.correct) < FEWEST else "No parameter varied."
        axes.text(0.5, 0.5, text, ha="center", va="center", color=COLORS["muted"], transform=axes.transAxes)
        return
    names = list(shares)[:_SHOWN]
    bars = axes.barh(names, [shares[name] for name in names], color=COLORS["best"], height=0.62)
    axes.bar_label(
        bars, [f"{shares[name]:.0%}" for name in names], padding=3, color=COLORS["muted"], fontsize=8
    )
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    axes.set_xlim(0, 1.15 * max(shares.values()))


PANELS: dict[str, Callable[[Any, History], None]] = {
    "candidates": _by_trial,
    "seconds": _by_seconds,
    "accuracy": _accuracy,
    "importance": _importance,
}
"""By the name that their ids carry in a page."""

"""`VARIANTS`: the kinds of attention that every experiment compares, at equal steps."""

from collections.abc import Iterable

__all__ = ["COLORS", "VARIANTS", "variant_grid"]

VARIANTS: dict[str, float | None] = {"softmax": None, "alpha=1.5": 1.5, "alpha=2": 2.0}
"""The name that results carry, and its α; None is softmax."""

COLORS = {"softmax": "C7", "alpha=1.5": "C0", "alpha=2": "C3"}
"""The same in every picture."""


def variant_grid(seeds: Iterable[int], *axes: tuple[str, Iterable[object]]) -> list[dict[str, object]]:
    """One run for each seed, value of each axis, and variant.

    Seeds are the outermost loop: if time runs out, all variants have been given the same seeds but the last.

    Parameters
    ----------
    seeds : iterable of int
    axes : (name, values)
        What else varies, the slowest first.

    Returns
    -------
    list of dict
        With `seed`, the axes' names and `variant`.
    """
    grid: list[dict[str, object]] = [{"seed": seed} for seed in seeds]
    for name, values in (*axes, ("variant", VARIANTS)):
        choices = list(values)
        grid = [{**run, name: value} for run in grid for value in choices]
    return grid

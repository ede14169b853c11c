"""Markdown tables of means and spreads over seeds."""

from collections.abc import Callable, Iterable, Sequence
from statistics import mean, stdev
from typing import Any, TypeVar

__all__ = ["grouped", "markdown", "spread"]

Item = TypeVar("Item")


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as Markdown, its columns aligned for reading as plain text."""
    lines = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation of a sample over seeds; the mean alone where there is one seed."""
    if len(values) < 2:
        return f"{mean(values):.{digits}f}"
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def grouped(rows: Iterable[Item], key: Callable[[Item], Any]) -> dict[Any, list[Item]]:
    """Rows by a key, in the order in which the keys come first."""
    groups: dict[Any, list[Item]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups

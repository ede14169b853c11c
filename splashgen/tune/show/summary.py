"""The table at the end: what won, by how much, and where it is stored."""

from rich.console import Console
from rich.table import Table

from splashgen.gpu import Gpu
from splashgen.tune.show.report import Report

__all__ = ["print_summary"]


def print_summary(report: Report, gpu: Gpu, console: Console | None = None) -> None:
    """The table of winners, and where they are."""
    console = console or Console()
    table = Table("problem", "best config", "default ms", "tuned ms", "speed-up", "seconds", box=None)
    for ended in report.ended:
        seconds = "" if ended.seconds is None else f"{ended.seconds:.0f}"
        if ended.entry is None:
            table.add_row(ended.title, f"none: {ended.reason}", "", "", "", seconds)
            continue
        default, gain = ended.entry.default_time_ms, ended.speed_up
        table.add_row(
            ended.title,
            ", ".join(f"{name}={value}" for name, value in ended.entry.config.items),
            f"{default.median:.4g}" if default else "",
            f"{ended.entry.time_ms.median:.4g}",
            f"{gain:.2f}x" if gain else "",
            seconds,
        )
    console.print(table)
    if report.speed_up is not None:
        console.print(f"Geometric mean of the speed-ups on {gpu.name}: {report.speed_up:.2f}x")
    for path in dict.fromkeys(str(ended.path) for ended in report.ended if ended.path is not None):
        console.print(f"Stored in {path}", soft_wrap=True)

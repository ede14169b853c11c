import io
from pathlib import Path

from rich.console import Console
from tune_fakes import PROBLEM

from splashgen.config import Config
from splashgen.gpu import CPU
from splashgen.store import Entry, Status, Timing
from splashgen.tune.show.events import ProblemEnded
from splashgen.tune.show.report import Report
from splashgen.tune.show.summary import print_summary

ENTRY = Entry(
    PROBLEM,
    Config.of("aaa_faulty", {"delay_ms": 1}),
    "0" * 16,
    Status.MEASURED,
    Timing(1.0, 1.0, 1.0),
    default_time_ms=Timing(2.0, 2.0, 2.0),
)


def test_the_table_says_what_won_by_how_much_and_after_how_many_seconds() -> None:
    stream, path = io.StringIO(), Path("cpu.yaml")
    ended = (
        ProblemEnded(PROBLEM, ENTRY, path, "all trials were made", seconds=93.6),
        ProblemEnded(PROBLEM, None, None, "No candidate was correct"),
    )
    print_summary(Report(ended), CPU, Console(file=stream, width=200))
    head, won, lost, *rest = stream.getvalue().splitlines()
    assert head.split()[-2:] == ["speed-up", "seconds"]
    assert won.split()[-4:] == ["2", "1", "2.00x", "94"]
    assert "none: No candidate was correct" in lost
    assert "2.00x" in rest[0] and rest[1] == "Stored in cpu.yaml"

"""Events for people and machines: a live view, plain lines, JSON lines."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from splashgen.store.plain import plain_entry
from splashgen.tune.show.events import (
    AdviceAsked,
    Event,
    Interrupted,
    Notify,
    ProblemEnded,
    ProblemStarted,
    ShootOutEnded,
    ShootOutStarted,
    TrialEnded,
)

__all__ = ["JsonLines", "LiveView", "PlainLines", "all_of", "duration", "interruption"]

_ADVICE = "compiling what the cost model chooses from"


def duration(seconds: float) -> str:
    """`4 s`, `1 min 05 s`, `2 h 03 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def all_of(watchers: Sequence[Notify]) -> Notify:
    """One listener that tells them all."""

    def notify(event: Event) -> None:
        for watcher in watchers:
            watcher(event)

    return notify


def _headline(event: ProblemStarted) -> str:
    taken_up = f", {event.done} trials done before" if event.done else ""
    return f"[{event.place}/{event.problems}] {event.title}{taken_up}"


def _trial(event: TrialEnded) -> str:
    of = f"/{event.trials}" if event.trials else ""
    return f"trial {event.number}{of}, {_state(event)}"


def _state(event: TrialEnded) -> str:
    """The best, the compile queue, and the time left for all problems together."""
    best = "none yet" if event.best_ms is None else f"{event.best_ms:.4g} ms"
    compiling = f", {event.compiling} compiling" if event.compiling else ""
    left = "" if event.seconds_left is None else f", about {duration(event.seconds_left)} left in all"
    return f"best {best}{compiling}{left}"


def interruption(event: Interrupted) -> str:
    """What follows a Ctrl-C, and what another one would do."""
    if event.confirms:
        return "Interrupted: the best so far is confirmed and stored; Ctrl-C again skips that."
    return "Interrupted: the same command goes on from here."


def _ending(event: ProblemEnded) -> str:
    if event.entry is None:
        return f"no winner: {event.reason}."
    gain = "" if event.speed_up is None else f", {event.speed_up:.2f}x as fast as the default"
    time_ms = f"{event.entry.time_ms.median:.4g} ms"
    if event.skipped:
        return f"tuned before: {time_ms}{gain}; --again tunes it anew."
    lost = sum(count for status, count in event.counts.items() if status != "ok")
    rejected = f"; {lost} candidates were rejected" if lost else ""
    return f"{time_ms}{gain}: {event.entry.config} ({event.reason}{rejected})"


def _places(event: ShootOutEnded) -> list[str]:
    """A line for each finalist: what it takes at the bucket's own length and at a ragged one."""
    roles = {event.holder: ", held the place"}
    if event.winner is not None:
        roles[event.winner] = ", keeps the place" if event.winner == event.holder else ", wins"
    lines = []
    for place, each in enumerate(event.standings, 1):
        there = each.ragged_time
        ragged = f" and {there.median:.4g} ms at a ragged length" if there else ""
        lines.append(f"{place}. {each.time.median:.4g} ms{ragged}{roles.get(each.config, '')}: {each.config}")
    for each in event.failed:
        lines.append(f"{each.outcome.status} at the last gate: {each.config}: {each.outcome.reason}")
    return lines


@dataclass
class PlainLines:
    """A line for each problem, improvement and rejection: for logs and pipes."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    verbose: bool = False
    """A line for every trial."""
    _best: float | None = None

    def __call__(self, event: Event) -> None:
        """Print what is worth a line."""
        match event:
            case AdviceAsked():
                self._say(f"{_ADVICE}: {event.title}")
            case ProblemStarted():
                self._best = None
                self._say(_headline(event))
            case TrialEnded():
                improved, self._best = event.best_ms != self._best, event.best_ms
                if improved or self.verbose:
                    self._say(f"  {_trial(event)}: {event.config}")
                if not event.outcome.ok:
                    self._say(f"  {event.outcome.status}: {event.config}: {event.outcome.reason}")
            case ShootOutStarted():
                self._say("  shoot-out of the finalists")
            case ShootOutEnded():
                for line in _places(event):
                    self._say(f"  {line}")
            case Interrupted():
                self._say(interruption(event))
            case ProblemEnded():
                self._say(f"  {_ending(event)}")

    def _say(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


class LiveView:
    """Bars that move, and a line that stays for each problem: for terminals.

    Use it as a context manager, so that the terminal is given back whatever happens.
    """

    def __init__(self, console: Console, verbose: bool = False) -> None:
        self._console, self._verbose = console, verbose
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
        )
        self._problems = self._bars.add_task("problems", total=None, note="")
        self._trials: TaskID | None = None

    def __enter__(self) -> "LiveView":
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show the event."""
        match event:
            case AdviceAsked():
                self._end()
                self._bars.update(self._problems, note=f"{_ADVICE}: {event.title}")
            case ProblemStarted():
                total, done = event.problems, event.place - 1
                self._bars.update(self._problems, total=total, completed=done, note=event.title)
                self._end()
                self._trials = self._bars.add_task(
                    "candidates", total=event.trials, completed=event.done, note="starting"
                )
            case TrialEnded():
                if self._verbose and not event.outcome.ok:
                    lost = f"{event.outcome.status}: {event.config}: {event.outcome.reason}"
                    self._console.print(Text(lost, style="dim"), highlight=False)
                self._update(completed=event.number, note=_state(event))
            case ShootOutStarted():
                self._update(note="shoot-out of the finalists")
            case ShootOutEnded():
                for line in _places(event) if self._verbose else ():
                    self._console.print(Text(line, style="dim"), highlight=False)
            case Interrupted():
                self._console.print(Text(interruption(event)))
            case ProblemEnded():
                self._end()
                self._bars.advance(self._problems)
                self._console.print(Text(f"{event.title}\n  {_ending(event)}"))

    def _update(self, **changes: Any) -> None:
        if self._trials is not None:
            self._bars.update(self._trials, refresh=True, **changes)

    def _end(self) -> None:
        """Take the bar of a problem away: rich cannot make one endless again."""
        if self._trials is not None:
            self._bars.remove_task(self._trials)
            self._trials = None


@dataclass
class JsonLines:
    """Every event as one JSON object a line: for machines."""

    stream: TextIO

    def __call__(self, event: Event) -> None:
        """Write the event with the time of day, in seconds since 1970."""
        line: dict[str, object] = {"event": type(event).__name__, "at": round(time.time(), 3)}
        line |= {"problem": event.problem.as_dict(), "regime": event.regime.value}
        match event:
            case ProblemStarted():
                line |= {
                    "place": event.place,
                    "problems": event.problems,
                    "trials": event.trials,
                    "done": event.done,
                }
            case TrialEnded():
                line |= {"number": event.number, "trials": event.trials, "best_ms": event.best_ms}
                line |= {"seconds_left": event.seconds_left, "compiling": event.compiling}
                line |= {"config": event.config.as_dict(), **event.outcome.as_dict()}
            case AdviceAsked() | ShootOutStarted():
                pass
            case ShootOutEnded():
                line |= {"holder": event.holder.as_dict()}
                line |= {"winner": None if event.winner is None else event.winner.as_dict()}
                line |= {"standings": [each.as_dict() for each in event.standings]}
                line |= {"failed": [each.as_dict() for each in event.failed]}
            case Interrupted():
                line |= {"confirms": event.confirms}
            case ProblemEnded():
                line |= {"reason": event.reason, "skipped": event.skipped, "counts": dict(event.counts)}
                line |= {"seconds": event.seconds}
                line |= {"speed_up": event.speed_up, "path": None if event.path is None else str(event.path)}
                line |= {"entry": None if event.entry is None else plain_entry(event.entry)}
        print(json.dumps(line), file=self.stream, flush=True)

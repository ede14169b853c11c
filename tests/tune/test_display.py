import io
import json

from rich.console import Console
from tune_fakes import PROBLEM

from splashgen.config import Config
from splashgen.tune.display import JsonLines, LiveView, PlainLines, all_of, duration
from splashgen.tune.events import Event, ProblemEnded, ProblemStarted, ShootOutStarted, TrialEnded
from splashgen.tune.outcome import Outcome, Status

CONFIG = Config.of("aaa_faulty", {"fault": "wrong"})
EVENTS: list[Event] = [
    ProblemStarted(PROBLEM, 1, 2, 30, 4),
    TrialEnded(PROBLEM, 5, 30, CONFIG, Outcome(Status.OK, samples=(2.0,)), 2.0, 65.0),
    TrialEnded(PROBLEM, 6, 30, CONFIG, Outcome(Status.WRONG, "out is [off]."), 2.0, 60.0),
    ShootOutStarted(PROBLEM),
    ProblemEnded(PROBLEM, None, None, "No finalist passed the final gate"),
]


def test_plain_lines_say_trial_best_left_and_why_a_candidate_lost() -> None:
    stream = io.StringIO()
    for event in EVENTS:
        PlainLines(stream)(event)
    text = stream.getvalue()
    assert "[1/2]" in text and "4 trials done before" in text
    assert "trial 5/30, best 2 ms, about 1 min 05 s left" in text
    assert "wrong: aaa_faulty(fault=wrong): out is [off]." in text
    assert "no winner: No finalist passed" in text


def test_json_lines_are_one_object_an_event() -> None:
    stream = io.StringIO()
    notify = all_of([JsonLines(stream)])
    for event in EVENTS:
        notify(event)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [type(event).__name__ for event in EVENTS]
    assert lines[2]["reason"] == "out is [off]." and lines[1]["samples"] == [2.0]


def test_the_live_view_takes_every_event_and_keeps_the_endings() -> None:
    stream = io.StringIO()
    with LiveView(Console(file=stream, force_terminal=True, width=200), verbose=True) as view:
        for event in EVENTS:
            view(event)
    assert "no winner" in stream.getvalue() and "out is [off]." in stream.getvalue()


def test_durations() -> None:
    assert [duration(seconds) for seconds in (3.6, 65, 7380)] == ["4 s", "1 min 05 s", "2 h 03 min"]

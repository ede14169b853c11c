import io
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from tune_fakes import PROBLEM

from splashgen.config import Config
from splashgen.store import Regime
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.measure.standing import Standing
from splashgen.tune.show.display import JsonLines, LiveView, PlainLines, all_of, duration
from splashgen.tune.show.events import (
    AdviceAsked,
    Event,
    Interrupted,
    ProblemEnded,
    ProblemStarted,
    ShootOutEnded,
    ShootOutStarted,
    TrialEnded,
)

CONFIG = Config.of("aaa_faulty", {"fault": "wrong"})
HELD, FASTER = (Config.of("aaa_faulty", {"delay_ms": number}) for number in (2, 1))
START = ProblemStarted(PROBLEM, 1, 2, 30, 4)
EVENTS: list[Event] = [
    AdviceAsked(PROBLEM),
    START,
    TrialEnded(PROBLEM, 5, 30, CONFIG, Outcome(Status.OK, samples=(2.0,)), 2.0, 65.0, 3),
    TrialEnded(PROBLEM, 6, 30, CONFIG, Outcome(Status.WRONG, "out is [off]."), 2.0, 60.0),
    Interrupted(PROBLEM, confirms=True),
    ShootOutStarted(PROBLEM),
    ShootOutEnded(
        PROBLEM,
        (
            Standing(FASTER, Outcome(Status.OK, samples=(1.5,), ragged=(1.0,))),
            Standing(HELD, Outcome(Status.OK, samples=(2.0,), ragged=(1.1,))),
        ),
        (Standing(CONFIG, Outcome(Status.WRONG, "dq is [off].")),),
        HELD,
        FASTER,
    ),
    ProblemEnded(PROBLEM, None, None, "No finalist passed the final gate"),
]


def test_plain_lines_say_trial_best_left_and_why_a_candidate_lost() -> None:
    stream = io.StringIO()
    for event in EVENTS:
        PlainLines(stream)(event)
    text = stream.getvalue()
    assert text.startswith(f"compiling what the cost model chooses from: {PROBLEM}")
    assert "[1/2]" in text and "4 trials done before" in text
    assert "trial 5/30, best 2 ms, 3 compiling, about 1 min 05 s left in all" in text
    assert "wrong: aaa_faulty(fault=wrong): out is [off]." in text
    assert "\nInterrupted: the best so far is confirmed and stored; Ctrl-C again skips that.\n" in text
    assert "no winner: No finalist passed" in text
    assert "1. 1.5 ms and 1 ms at a ragged length, wins: aaa_faulty(delay_ms=1)" in text
    assert "2. 2 ms and 1.1 ms at a ragged length, held the place: aaa_faulty(delay_ms=2)" in text
    assert "wrong at the last gate: aaa_faulty(fault=wrong): dq is [off]." in text


def test_json_lines_are_one_object_an_event() -> None:
    stream = io.StringIO()
    notify = all_of([JsonLines(stream)])
    for event in EVENTS:
        notify(event)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [type(event).__name__ for event in EVENTS]
    met = lines[6]
    assert met["winner"] == FASTER.as_dict() and met["holder"] == HELD.as_dict()
    assert [each["outcome"]["ragged"] for each in met["standings"]] == [[1.0], [1.1]]
    assert met["failed"][0]["outcome"]["reason"] == "dq is [off]."
    assert lines[3]["reason"] == "out is [off]." and lines[2]["samples"] == [2.0]
    assert (lines[2]["best_ms"], lines[2]["seconds_left"], lines[2]["compiling"]) == (2.0, 65.0, 3)


def test_a_regime_is_named_where_it_is_not_the_mixture() -> None:
    plain, lines = io.StringIO(), io.StringIO()
    notify = all_of([PlainLines(plain), JsonLines(lines)])
    for event in (START, replace(START, regime=Regime.SPARSE)):
        notify(event)
    mixed, sparse = plain.getvalue().splitlines()
    assert f"{PROBLEM}, sparse scores" in sparse and "scores" not in mixed
    assert [json.loads(line)["regime"] for line in lines.getvalue().splitlines()] == ["mixed", "sparse"]


def test_the_documentation_names_every_field_of_every_event() -> None:
    text = (Path(__file__).parents[3] / "docs" / "tuning.md").read_text(encoding="utf-8")
    stream = io.StringIO()
    for event in EVENTS:
        JsonLines(stream)(event)
    for line in map(json.loads, stream.getvalue().splitlines()):
        assert f"`{line['event']}`" in text
        assert not [name for name in line if f"`{name}`" not in text], line["event"]


def test_the_live_view_takes_every_event_and_keeps_the_endings() -> None:
    stream = io.StringIO()
    with LiveView(Console(file=stream, force_terminal=True, width=200), verbose=True) as view:
        for event in EVENTS:
            view(event)
    said = stream.getvalue()
    assert "no winner" in said and "out is [off]." in said
    assert (
        "problems" in said
        and "5/30" in said
        and "best 2 ms, 3 compiling, about 1 min 05 s left in all" in said
    )


def test_the_live_view_takes_a_search_without_a_limit_after_one_with_a_limit() -> None:
    stream = io.StringIO()
    with LiveView(Console(file=stream, force_terminal=True, width=200)) as view:
        for event in (*EVENTS, ProblemStarted(PROBLEM, 2, 2, None, 0)):
            view(event)
    assert "0/?" in stream.getvalue()


def test_durations() -> None:
    assert [duration(seconds) for seconds in (3.6, 65, 7380)] == ["4 s", "1 min 05 s", "2 h 03 min"]

"""Whether two independent tunes agree: their winners meet as the tuner's own finalists do.

Two winners of the same code agree. Others are timed in interleaved rounds, at the bucket's own length and at
a ragged one, and agree if neither would take the place of the other: by the tuner's own rule a holder falls
only if the whole 95 % interval of the paired ratios, their geometric mean over both lengths, is against it.
The first takes part twice: what the same code differs by from itself is noise as well.

Side by side two configs can be told apart that two tunes, each at its own time, cannot. So the table also
says by how much the tunes differ in the time of the default, which both measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from splashgen.bench.winners import Won
from splashgen.gpu import Gpu
from splashgen.render import render
from splashgen.store.entry import Key
from splashgen.tune.confirm import meeting, winner
from splashgen.tune.measure.bench import Bench
from splashgen.tune.measure.noise import Interval, ratio
from splashgen.tune.measure.standing import Standing
from splashgen.tune.processes.process import CallLost

__all__ = ["TARGET", "Meeting", "agreement", "common", "markdown", "meet"]

TARGET = 0.95
_SEED = 11
_NEAR = 0.01
_COLUMNS = (
    "problem",
    "first, ms",
    "second, ms",
    "ratio",
    "ragged length",
    "to itself",
    "default",
    "verdict",
    "tuned in s",
)


@dataclass(frozen=True, slots=True)
class Meeting:
    """What came of the two winners for one problem."""

    title: str
    code: tuple[str, str]
    """The hashes of their code."""
    verdict: str
    """`same code`, `within noise`, `the first is faster`, `the second is faster`, or why none met."""
    agree: bool | None
    """None where they did not meet."""
    ms: tuple[float, float] | None = None
    """Medians at the bucket's own length."""
    ratio: Interval | None = None
    """Of the first one's times to the second one's, round by round."""
    ragged: Interval | None = None
    """The same at the ragged length; None in a bucket that has none."""
    again: Interval | None = None
    """Of the first one's times to its own: how far the same code is from 1."""
    seconds: tuple[float | None, float | None] = (None, None)
    """That each tune took for the problem."""
    default: float | None = None
    """The default's time in the first tune, in parts of that in the second; None where it is not known."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def common(first: Mapping[Key, Won], second: Mapping[Key, Won]) -> list[Key]:
    """Problems and regimes that both tuned, in the order of the first."""
    return [key for key in first if key in second]


def meet(bench: Bench, gpu: Gpu, key: Key, one: Won, other: Won, seconds: float) -> Meeting:
    """Let the two winners for a problem meet.

    Parameters
    ----------
    bench : Bench
        Times them.
    seconds : float
        To spend on repetitions: as many as the tuner does for the same power.
    """
    (problem, regime), configs = key, (one.entry.config, other.entry.config)
    code = one.entry.code_hash, other.entry.code_hash
    told = partial(
        Meeting, one.entry.title, code, seconds=(one.seconds, other.seconds), default=_default(one, other)
    )
    if code[0] == code[1]:
        return told("same code", True)
    if any(render(problem, config).hash != known for config, known in zip(configs, code, strict=True)):
        return told("the templates have changed since: tune anew", None)
    try:
        one_met, other_met = meeting(bench, problem, gpu, configs, _SEED, seconds, regime)
    except CallLost as error:
        return told(f"the worker was lost: {error}", None)
    return told(
        *_verdict(one_met, other_met),
        (one_met.time.median, other_met.time.median),
        ratio((one_met.outcome.samples, other_met.outcome.samples)),
        ratio((one_met.outcome.ragged, other_met.outcome.ragged)) if one_met.outcome.ragged else None,
        ratio((one_met.outcome.samples, one_met.again)),
    )


def _default(one: Won, other: Won) -> float | None:
    mine, theirs = one.entry.default_time_ms, other.entry.default_time_ms
    return mine.median / theirs.median if mine and theirs else None


def _verdict(one: Standing, other: Standing) -> tuple[str, bool]:
    if winner([one, other], other.config) is one:
        return "the first is faster", False
    if winner([one, other], one.config) is other:
        return "the second is faster", False
    return "within noise", True


def agreement(meetings: Sequence[Meeting]) -> float | None:
    """The share of agreeing pairs among those that met; None if none did."""
    met = [one.agree for one in meetings if one.agree is not None]
    return sum(met) / len(met) if met else None


def markdown(meetings: Sequence[Meeting], gpu: Gpu) -> str:
    """The table, and what it comes to."""
    lines = [
        f"# Two independent tunes on {gpu.name}",
        "",
        "Times of the winners in interleaved rounds on one device; ratios of first to second, with 95 %",
        "bootstrap intervals. «To itself» is the first winner beside itself; «default» is the time of the",
        "same code, the default, in the first tune to that in the second. Made by `benchmarks/agree.py`.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|{'---|' * len(_COLUMNS)}",
    ]
    for one in meetings:
        ms = ["", ""] if one.ms is None else [f"{each:.4g}" for each in one.ms]
        ratios = [_cell(each) for each in (one.ratio, one.ragged, one.again)]
        took = ", ".join("?" if each is None else f"{each:.0f}" for each in one.seconds)
        default = "" if one.default is None else f"{one.default:.4f}"
        lines.append(f"| {' | '.join([one.title, *ms, *ratios, default, one.verdict, took])} |")
    return "\n".join([*lines, "", *_summary(meetings)])


def _apart(ratio: float) -> float:
    return abs(ratio - 1.0)


def _cell(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f"{interval.median:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def _summary(meetings: Sequence[Meeting]) -> list[str]:
    met = [one for one in meetings if one.agree is not None]
    share = agreement(meetings)
    if share is None:
        return ["No pair met."]
    timed = [one.ratio.median for one in met if one.ratio is not None]
    same = len(met) - len(timed)
    near = same + sum(_apart(each) <= _NEAR for each in timed)
    agreeing = sum(bool(one.agree) for one in met)
    reached = "reached" if share >= TARGET else "missed"
    lines = [
        f"{agreeing} of {len(met)} pairs agree ({share:.0%}; the target of {TARGET:.0%} is {reached}),",
        f"{same} of them by the same code. {near} of {len(met)} are within {_NEAR:.0%} of each other.",
    ]
    if timed:
        furthest = max(map(_apart, timed))
        itself = max(_apart(one.again.median) for one in met if one.again is not None)
        lines.append(f"The largest difference is {furthest:.2%}; of the same code to itself, {itself:.2%}.")
    # For each problem what the two tunes could know: they measured the same code so far apart.
    known = [(one.ratio, _apart(one.default)) for one in met if one.default is not None]
    if known:
        within = sum(ratio is None or _apart(ratio.median) <= drift for ratio, drift in known)
        lines.append(
            f"The default's time differs between the tunes by up to {max(drift for _, drift in known):.2%};"
            f" {within} of {len(known)} pairs differ by no more than it does on their problem."
        )
    took = [each for one in meetings for each in one.seconds if each is not None]
    if took:
        lines.append(f"A problem took {max(took):.0f} s at most, from its start to its stored winner.")
    return lines

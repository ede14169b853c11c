"""Recordings for tests, made up: nothing in them was measured."""

from pathlib import Path

from splashgen.alpha import AlphaClass
from splashgen.config import Config
from splashgen.families import family_for
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem
from splashgen.render import render
from splashgen.store import current
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.presets import attention
from splashgen.tune.recordings.files import append, begin
from splashgen.tune.recordings.recording import Head, Row

PROBLEM = Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, seq_len=64, training=False)
FAMILY = family_for(PROBLEM, CPU)
DEFAULT = FAMILY.default(PROBLEM, CPU)
FASTEST = DEFAULT.replace(chunk=16384, solver="norm", max_iterations=32)


def write(path: Path) -> Path:
    """A complete recording: times grow with the chunk and the iterations, and one solver is wrong.

    Of 24 points 20 have a code of their own.
    """
    points = {render(PROBLEM, config).hash: config for config in FAMILY.space.feasible(PROBLEM, CPU)}
    head = Head(PROBLEM, CPU, FAMILY.name, FAMILY.space.choices, DEFAULT, len(points), 0.1, current())
    begin(path, head)
    for code_hash, config in points.items():
        append(path, head, Row(config, code_hash, _outcome(config)))
    return path


def write_searched(path: Path) -> Path:
    """A recording of a search: of more than 10⁹ points the default and some that differ in one parameter."""
    gpu, problem = KNOWN_GPUS["h200"], attention(DType.BFLOAT16, 64, 4096)
    family = family_for(problem, gpu)
    space, default = family.space.narrowed(problem, gpu), family.default(problem, gpu)
    steps = [
        default.replace(**{name: value})
        for name, values in space.choices.items()
        for value in values
        if value != default[name]
    ]
    # As a search does, the default first and then in no order.
    rows = [default, *sorted(steps, key=lambda config: render(problem, config).hash)[::3]]
    head = Head(problem, gpu, family.name, space.choices, default, space.size, 0.1, current())
    begin(path, head)
    for place, config in enumerate(rows):
        ms = 2.0 - place / len(rows)
        append(path, head, Row(config, f"{place:016x}", Outcome(Status.OK, "", {}, (ms,) * 5, (ms,))))
    return path


def _outcome(config: Config) -> Outcome:
    if config["solver"] == "sort":
        return Outcome(Status.WRONG, "It is wrong.", {"out": 1.0, "out_budget": 1e-5})
    ms = config.number("chunk") ** 0.5 * config.number("max_iterations") ** 0.3 / 100.0
    ms *= 1.3 if config["solver"] == "bisection" else 1.0
    samples = tuple(ms * (1.0 + 0.004 * (round_number % 5 - 2)) for round_number in range(15))
    return Outcome(Status.OK, "", {"out": 1e-7, "out_budget": 1e-5}, samples, (samples[0],))

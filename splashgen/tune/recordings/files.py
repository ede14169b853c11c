"""Recordings as JSON lines: the head first, then a row for each candidate, in the order of measurement."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from splashgen.config import Config
from splashgen.errors import SplashgenError
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.replacing import replace_file
from splashgen.store.schema import Parameter, ParameterValue, ProblemModel, ProvenanceModel
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.recordings.recording import Head, Recording, Resources, Row

__all__ = ["RecordingError", "append", "begin", "mend", "read", "write"]

_MOST_SAMPLES = 32
"""Kept of a candidate: enough for its median and its noise."""
_MOST_BYTES = 64 * 1024**2

Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RecordingError(SplashgenError):
    """A recording could not be read, or does not belong to what is asked of it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _HeadModel(_Strict):
    recording: Literal[1]
    problem: ProblemModel
    gpu: Gpu
    family: Parameter
    choices: dict[Parameter, tuple[ParameterValue, ...]]
    default: dict[Parameter, ParameterValue]
    points: Annotated[int, Field(ge=1)]
    timing_seconds: Annotated[float, Field(gt=0)]
    made: ProvenanceModel

    def build(self) -> Head:
        problem = Problem(**{field.name: getattr(self.problem, field.name) for field in fields(Problem)})
        default = Config.of(self.family, self.default)
        return Head(
            problem,
            self.gpu,
            self.family,
            self.choices,
            default,
            self.points,
            self.timing_seconds,
            self.made.build(),
        )


class _RowModel(_Strict):
    config: dict[Parameter, ParameterValue]
    code_hash: str
    status: Status
    reason: str
    errors: dict[str, float]
    samples: tuple[Milliseconds, ...]
    laps: tuple[Milliseconds, ...] = ()
    conditions: dict[str, float | str] = Field(default_factory=dict)
    ragged: tuple[Milliseconds, ...] = ()
    kernels: tuple[Resources, ...]

    def build(self, head: Head) -> Row:
        outcome = Outcome(
            self.status, self.reason, self.errors, self.samples, self.laps, self.conditions, self.ragged
        )
        return Row(head.default.replace(**self.config), self.code_hash, outcome, self.kernels)


_Model = TypeVar("_Model", bound=_Strict)


def begin(path: Path, head: Head) -> None:
    """Write a new file that has a head and no rows.

    Raises
    ------
    FileExistsError
        If there is a file already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as stream:
        stream.write(_head_line(head))


def append(path: Path, head: Head, row: Row) -> None:
    """Add a row; of its config, what varies is written."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(_row_line(head, row))


def write(path: Path, recording: Recording) -> None:
    """Write a whole recording; what was there before is replaced at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (_row_line(recording.head, row) for row in recording.rows)
    replace_file(path, _head_line(recording.head) + "".join(rows))


def read(path: Path) -> Recording:
    """The recording in a file; a last line that a kill cut short is left out.

    Raises
    ------
    RecordingError
        If the file cannot be read, or a line says what a recording cannot say.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RecordingError(f"{path} is larger than the {_MOST_BYTES} bytes that a recording may have.")
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path} cannot be read as a recording: {error}.") from None
    if not lines:
        raise RecordingError(f"{path} has no whole line, so it is no recording.")
    head = _parsed(_HeadModel, path, 1, lines[0]).build()
    rows = [_parsed(_RowModel, path, number, line).build(head) for number, line in enumerate(lines[1:], 2)]
    return Recording(head, tuple(rows))


def mend(path: Path) -> None:
    """Cut off a last line that has no end, so that the next row has a line of its own."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as stream:
            stream.truncate(whole)


def _head_line(head: Head) -> str:
    plain: Mapping[str, Any] = {
        "recording": 1,
        "problem": head.problem.as_dict(),
        "gpu": asdict(head.gpu),
        "family": head.family,
        "choices": head.choices,
        "default": head.default.as_dict(),
        "points": head.points,
        "timing_seconds": head.timing_seconds,
        "made": asdict(head.made),
    }
    return json.dumps(plain) + "\n"


def _row_line(head: Head, row: Row) -> str:
    plain: Mapping[str, Any] = {
        "config": {name: row.config[name] for name, values in head.choices.items() if len(values) > 1},
        "code_hash": row.code_hash,
        **row.outcome.as_dict(),
        "errors": {name: _short(error) for name, error in row.outcome.errors.items()},
        "samples": [_short(sample) for sample in _thinned(row.outcome.samples)],
        "laps": [_short(lap) for lap in row.outcome.laps],
        "ragged": [_short(sample) for sample in _thinned(row.outcome.ragged)],
        "kernels": [asdict(kernel) for kernel in row.kernels],
    }
    return json.dumps(plain) + "\n"


def _parsed(model: type[_Model], path: Path, number: int, line: str) -> _Model:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole line"
        raise RecordingError(f"{path}, line {number}: {where}: {first['msg']}.") from None


def _thinned(samples: Sequence[float]) -> Sequence[float]:
    """Evenly spread over the measurement, so that drift is kept as well."""
    step = -(-len(samples) // _MOST_SAMPLES) or 1
    return samples[::step]


def _short(value: float) -> float:
    """Five digits: more is noise."""
    return float(f"{value:.5g}")

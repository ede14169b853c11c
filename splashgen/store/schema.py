"""The schema of a file of tuned configs: strict models from YAML's plain values to `TunedFile`."""

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from splashgen.config import Config
from splashgen.families import family_named
from splashgen.problem import Operation, Problem
from splashgen.store.entry import Entry, GpuFacts, Regime, RunnerUp, Status, Timing, TunedFile
from splashgen.store.provenance import Provenance

__all__ = ["EntryModel", "FileModel", "json_schema"]

Count = Annotated[int, Field(ge=0, le=2**48)]
Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Word = Annotated[str, Field(pattern=r"^[\w.+\- ]{0,64}$")]
Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
ErrorName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
Failure = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,200}$")]
Parameter = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
FamilyName = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", description="A module of splashgen.families.")
]
ParameterValue = (
    bool | int | Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(max_length=64)]
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _problem_field(name: str, kind: Any, default: Any) -> tuple[Any, Any]:
    if kind is bool:
        return bool, default
    if kind is int:
        return Count, default
    # Strict mode takes members of an enum only, and a file holds their text.
    return Annotated[kind, Field(strict=False)], ...


_PROBLEM_FIELDS: Any = {
    field.name: _problem_field(field.name, field.type, ... if field.name == "seq_len" else field.default)
    for field in fields(Problem)
}
ProblemModel: Any = create_model("ProblemModel", __base__=_Strict, **_PROBLEM_FIELDS)
"""The fields of `Problem`, whatever they are: a new feature needs no second list."""


class TimingModel(_Strict):
    """Milliseconds."""

    median: Milliseconds
    low: Milliseconds
    high: Milliseconds

    @model_validator(mode="after")
    def _in_order(self) -> "TimingModel":
        if not self.low <= self.median <= self.high:
            raise ValueError(
                f"low {self.low}, median {self.median} and high {self.high} must be in this order"
            )
        return self

    def build(self) -> Timing:
        return Timing(self.median, self.low, self.high)


class RunnerUpModel(_Strict):
    """The second best config, of any family of the operation."""

    family: FamilyName
    config: dict[Parameter, ParameterValue]
    time_ms: TimingModel


class ProvenanceModel(_Strict):
    """Versions; an empty text where a package is not there."""

    splashgen: Word
    torch: Word
    triton: Word
    driver: Word
    date: Date
    templates: Word = ""

    def build(self) -> Provenance:
        return Provenance(**self.model_dump())


class GpuModel(_Strict):
    """The chip, as its driver reported it."""

    name: str = Field(pattern=r"^[\x20-\x7e]{1,200}$")
    compute_capability: Word
    multiprocessors: Count
    memory: Count
    shared_memory: Count


class EntryModel(_Strict):
    """One tuned config."""

    problem: ProblemModel
    regime: Annotated[Regime, Field(strict=False)] = Regime.MIXED
    family: FamilyName
    config: dict[Parameter, ParameterValue]
    code_hash: str = Field(pattern=r"^[0-9a-f]{16}$")
    status: Annotated[Status, Field(strict=False)]
    failure: Failure | None = Field(
        None,
        description="What splashgen verify found: not used until it passes or is tuned anew.",
    )
    time_ms: TimingModel | None = Field(None, description="Measured; none where the status is planned.")
    predicted_ms: Milliseconds | None = Field(
        None, description="The cost model's estimate; none but where the status is planned."
    )
    default_time_ms: TimingModel | None = None
    error: dict[ErrorName, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    runner_up: RunnerUpModel | None = None
    trials: Count = 0
    tuned_at: Date
    provenance: ProvenanceModel | None = Field(None, description="Only where it differs from the file's.")

    @model_validator(mode="after")
    def _one_time(self) -> "EntryModel":
        planned = self.status is Status.PLANNED
        if (self.time_ms is None) != planned or (self.predicted_ms is None) == planned:
            raise ValueError(
                "a planned entry has predicted_ms and no time_ms, any other one time_ms and no predicted_ms"
            )
        if planned and (self.default_time_ms or self.runner_up):
            raise ValueError("a planned entry has no default_time_ms and no runner_up, which are measured")
        return self

    def build(self) -> Entry:
        """The entry; `ValueError` if the problem or a config is none that splashgen has."""
        problem = Problem(**{field.name: getattr(self.problem, field.name) for field in fields(Problem)})
        if (problem.operation is Operation.ATTENTION) != (problem.head_dim > 0 and problem.value_dim > 0):
            raise ValueError(
                "problem: head_dim and value_dim must be given for attention, and for nothing else"
            )
        return Entry(
            problem=problem,
            config=_config(self.family, self.config, problem.operation),
            code_hash=self.code_hash,
            status=self.status,
            time_ms=self._time(),
            error=dict(self.error),
            trials=self.trials,
            tuned_at=self.tuned_at,
            regime=self.regime,
            default_time_ms=self.default_time_ms.build() if self.default_time_ms else None,
            runner_up=self._runner_up(problem.operation),
            provenance=self.provenance.build() if self.provenance else None,
            failure=self.failure or "",
        )

    def _time(self) -> Timing:
        if self.time_ms is not None:
            return self.time_ms.build()
        assert self.predicted_ms is not None  # `_one_time`
        return Timing(self.predicted_ms, self.predicted_ms, self.predicted_ms)

    def _runner_up(self, operation: Operation) -> RunnerUp | None:
        second = self.runner_up
        if second is None:
            return None
        return RunnerUp(_config(second.family, second.config, operation), second.time_ms.build())


def _config(family_name: str, values: dict[str, Any], operation: Operation) -> Config:
    family = family_named(family_name)
    if family.operation is not operation:
        raise ValueError(f"family: {family_name} computes {family.operation.value}, not {operation.value}")
    return family.space.member(values)


class FileModel(_Strict):
    """`tuned_configs/<gpu>.yaml`, and the files in the user's config folder."""

    schema_: Literal[1] = Field(alias="schema")
    gpu: GpuModel
    provenance: ProvenanceModel
    entries: list[EntryModel] = Field(max_length=5000)

    def build(self, entries: tuple[Entry, ...]) -> TunedFile:
        """The file with its entries, already built."""
        return TunedFile(GpuFacts(**self.gpu.model_dump()), self.provenance.build(), entries)


def json_schema() -> dict[str, Any]:
    """The published JSON Schema."""
    schema = FileModel.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "splashgen tuned configs",
        **schema,
    }

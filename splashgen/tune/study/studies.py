"""Studies in a storage: what they are called, what they say about themselves, which are open."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import optuna
from pydantic import TypeAdapter

from splashgen.errors import SplashgenError
from splashgen.families import family_for
from splashgen.gpu import Gpu
from splashgen.problem import Problem
from splashgen.space import Space
from splashgen.store import Provenance, current
from splashgen.store.entry import Regime, title
from splashgen.store.schema import ProblemModel
from splashgen.tune.database.storage import Storage
from splashgen.tune.limits import Limits
from splashgen.tune.study.versions import versions

__all__ = [
    "FINISHED",
    "About",
    "NoOpenStudyError",
    "OpenStudy",
    "about_study",
    "describe",
    "open_studies",
    "opened",
    "study_named",
]

ABOUT, FINISHED = "about", "finished"
"""The attributes of a study: what it is about, and how it ended."""


@dataclass(frozen=True, slots=True)
class About:
    """What a study says about itself, as far as its readers want it; `describe` writes it."""

    problem: Problem
    gpu: Gpu
    family: str
    versions: str
    limits: Limits = field(default_factory=Limits)
    regime: Regime = Regime.MIXED
    """Studies that began before there were regimes are of the mixture."""
    made: Provenance | None = None
    """Studies of earlier versions do not say it."""


def about_study(attributes: Mapping[str, Any]) -> About:
    """What the attributes of a study say about it.

    Raises
    ------
    ValueError
        If they are not those of a study of this version.
    """
    return TypeAdapter(About).validate_python(attributes.get(ABOUT))


class NoOpenStudyError(SplashgenError):
    """A worker found nothing that it could join."""


@dataclass(frozen=True, slots=True)
class OpenStudy:
    """A study that a worker can join."""

    name: str
    problem: Problem
    limits: Limits
    """Those of the tuner that began it."""
    regime: Regime


def study_named(
    storage: Storage, problem: Problem, gpu: Gpu, space: Space, again: bool, regime: Regime
) -> str:
    """The name of the newest study of this kind, or of the one after it.

    Whatever measurements depend on is in the name: those of another chip, regime, space or version never mix.
    """
    chip = f"{gpu.name} x {gpu.multiprocessors}"
    base = f"{chip} | {title(problem.bucketed(), regime)} | {space.digest} | {versions()}"
    known = {study.study_name: study.user_attrs for study in storage.optuna.get_all_studies()}
    number, name = 1, base
    while (following := f"{base} | {number + 1}") in known:
        number, name = number + 1, following
    return following if again and FINISHED in known.get(name, {}) else name


def opened(
    storage: Storage,
    name: str,
    problem: Problem,
    gpu: Gpu,
    space: Space,
    limits: Limits | None,
    regime: Regime,
) -> optuna.Study:
    """The study of this name, begun if there is none; limits, if given, are those of workers that join."""
    study = optuna.create_study(
        storage=storage.optuna, study_name=name, direction="minimize", load_if_exists=True
    )
    if limits is not None or ABOUT not in study.user_attrs:
        study.set_user_attr(ABOUT, describe(problem, gpu, space, limits or Limits(), regime))
    return study


def describe(problem: Problem, gpu: Gpu, space: Space, limits: Limits, regime: Regime) -> dict[str, Any]:
    """What a study says about itself, to readers and to workers that join it."""
    return {
        "problem": problem.bucketed().as_dict(),
        "regime": regime.value,
        "gpu": asdict(gpu),
        "family": space.family,
        "space": space.digest,
        "versions": versions(),
        "made": asdict(current()),
        "limits": asdict(limits),
    }


def open_studies(storage: Storage, gpu: Gpu) -> list[OpenStudy]:
    """The studies that are not finished and that this machine can work on, the oldest first.

    Raises
    ------
    NoOpenStudyError
        If there are open ones and none is for this chip, this version and this space; the sentence says what
        differs.
    """
    joined, reasons = [], set()
    for study in sorted(storage.optuna.get_all_studies(), key=lambda study: study._study_id):
        about = study.user_attrs.get(ABOUT)
        if about is None or FINISHED in study.user_attrs:
            continue
        reason = _objection(about, gpu)
        if reason is None:
            # Studies that began before there were regimes are of the mixture.
            regime = Regime(about.get("regime", Regime.MIXED))
            joined.append(OpenStudy(study.study_name, _problem(about), Limits(**about["limits"]), regime))
        else:
            reasons.add(reason)
    if reasons and not joined:
        raise NoOpenStudyError(f"No open study suits this worker: {'; '.join(sorted(reasons))}.")
    return joined


def _objection(about: Mapping[str, Any], gpu: Gpu) -> str | None:
    """Why this machine cannot work on a study, or None if it can."""
    theirs, ours = (
        f"{chip['name']} with {chip['multiprocessors']} multiprocessors"
        for chip in (about["gpu"], asdict(gpu))
    )
    if theirs != ours:
        return f"one is for {theirs}, and this machine has {ours}"
    if about["versions"] != versions():
        return f"one is of {about['versions']}, and here is {versions()}"
    try:
        problem = _problem(about)
        digest = family_for(problem, gpu).space.narrowed(problem, gpu).digest
    except (ValueError, NotImplementedError) as error:
        return f"one has a problem that this version does not know ({error})"
    if digest != about.get("space"):
        return f"one searches {about['family']} configs that differ from those of this version"
    return None


def _problem(about: Mapping[str, Any]) -> Problem:
    values = ProblemModel.model_validate(about["problem"])
    return Problem(**dict(values))

"""Which configs a plan compiles: what is known of other chips, and steps from the best so far."""

from collections.abc import Iterable, Iterator, Mapping

from splashgen.config import Config
from splashgen.families import family_for
from splashgen.gpu import Gpu
from splashgen.plan.demands import schedule_of
from splashgen.problem import Problem
from splashgen.render import render
from splashgen.store import Status
from splashgen.store.tables import tables

__all__ = ["combined", "neighbours", "starts"]


def starts(problem: Problem, gpu: Gpu) -> tuple[Config, ...]:
    """The default, and what won for this problem on other chips, without what makes the same code.

    Accuracy parameters are the default's throughout.
    """
    family = family_for(problem, gpu)
    default = family.default(problem, gpu)
    schedule = schedule_of(family.name)
    found = [default]
    for table in tables():
        for entry in table.file.entries if table.file else ():
            if (
                entry.status is Status.MEASURED
                and not entry.failure
                and entry.config.family == family.name
                and entry.problem.bucketed() == problem.bucketed()
            ):
                found.append(default.replace(**{name: entry.config[name] for name in schedule}))
    return _distinct(problem, gpu, found)


def neighbours(problem: Problem, gpu: Gpu, config: Config) -> tuple[Config, ...]:
    """The configs that differ in one parameter of the schedule, by one place in the list of its choices."""
    space = family_for(problem, gpu).space.narrowed(problem, gpu)

    def steps() -> Iterator[Config]:
        for name in schedule_of(config.family):
            choices = space.choices[name]
            place = choices.index(config[name]) if config[name] in choices else 0
            for other in (place - 1, place + 1):
                if 0 <= other < len(choices) and choices[other] != config[name]:
                    yield config.replace(**{name: choices[other]})

    return _distinct(problem, gpu, steps(), {render(problem, config).hash: config})


def combined(problem: Problem, gpu: Gpu, best: Config, times: Mapping[Config, float]) -> Config | None:
    """`best` with every single change that made it faster, of each parameter the best one.

    Its kernels do not share their parameters, so that the gains of single steps nearly add up.
    """
    changes: dict[str, tuple[float, Config]] = {}
    for config, time in times.items():
        differing = [name for name, value in config.items if value != best[name]]
        if len(differing) == 1 and time < changes.get(differing[0], (times[best], best))[0]:
            changes[differing[0]] = time, config
    if len(changes) < 2:
        return None
    merged = best.replace(**{name: config[name] for name, (_, config) in changes.items()})
    return None if family_for(problem, gpu).space.objection(problem, gpu, merged) else merged


def _distinct(
    problem: Problem,
    gpu: Gpu,
    configs: Iterable[Config],
    known: Mapping[str, Config] | None = None,
) -> tuple[Config, ...]:
    """Those without an objection, one for each code."""
    space = family_for(problem, gpu).space
    kept = dict(known or {})
    for config in configs:
        if space.objection(problem, gpu, config) is None:
            kept.setdefault(render(problem, config).hash, config)
    return tuple(config for code, config in kept.items() if code not in (known or {}))

"""Which problems of the presets have a tuned config, chip by chip."""

from collections.abc import Mapping
from dataclasses import dataclass

from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import Problem
from splashgen.store import Regime
from splashgen.store.failures import standing
from splashgen.store.tables import tables
from splashgen.tune.presets import PRESETS, preset

__all__ = ["MEANINGS", "Coverage", "coverage"]

MEANINGS = {
    "measured": "timed and checked on the chip",
    "transferred": "checked on the chip, timed on another",
    "planned": "compiled for the chip and ranked by a model, never run on it",
    "changed": "its kernel's code has changed since: not used until splashgen verify passes it",
    "failed": "splashgen verify did not pass it: not used until it does, or until a tune replaces it",
    "none": "nothing of its own: a relative answers, or the default",
}
"""The states of a problem on a chip, best first."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Problems by chips."""

    problems: tuple[Problem, ...]
    chips: tuple[str, ...]
    """Slugs."""
    states: Mapping[tuple[Problem, str], str]
    """A key of `MEANINGS` for each problem and chip."""

    def counts(self, chip: str) -> dict[str, int]:
        """How many problems of a chip are in each state."""
        states = [self.states[problem, chip] for problem in self.problems]
        return {state: states.count(state) for state in MEANINGS}


def coverage(gpu: str | None = None) -> list[Coverage]:
    """The presets' problems for GPUs and for CPUs, as the tables that dispatch reads cover them.

    Parameters
    ----------
    gpu : str, optional
        The slug of the only chip that is wanted.
    """
    found = _states()
    strangers = sorted({slug for _, slug in found} - KNOWN_GPUS.keys() - {CPU.slug})
    groups = (((*KNOWN_GPUS, *strangers), KNOWN_GPUS["h100"]), ((CPU.slug,), CPU))
    covered = []
    for slugs, device in groups:
        chips = tuple(slug for slug in slugs if gpu in (None, slug))
        wanted = (problem for name in PRESETS for problem in preset(name, device).problems)
        problems = tuple(dict.fromkeys(problem.bucketed() for problem in wanted))
        if chips:
            states = {(one, chip): found.get((one, chip), "none") for one in problems for chip in chips}
            covered.append(Coverage(problems, chips, states))
    return covered


def _states() -> dict[tuple[Problem, str], str]:
    """The best state of every entry of the mixture in any table, by problem and chip.

    Entries of other regimes answer only those who ask for them.
    """
    order = list(MEANINGS)
    best: dict[tuple[Problem, str], str] = {}
    for table in tables():
        for entry in table.file.entries if table.file else ():
            if entry.regime is not Regime.MIXED:
                continue
            grade = standing(entry, table, tables())[0]
            state = entry.status.value if grade.is_used else grade.value
            key = entry.problem.bucketed(), table.slug
            best[key] = min(best.get(key, "none"), state, key=order.index)
    return best

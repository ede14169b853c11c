"""`plan_problem`: compile candidates for a chip that is not here, and rank those that fit it."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import date

from splashgen.cases import check_regime
from splashgen.compile import CompiledKernel, fits
from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.families import family_for
from splashgen.gpu import Gpu
from splashgen.plan.candidates import combined, neighbours, starts
from splashgen.plan.compiled import Compiled
from splashgen.plan.constants import constants_for
from splashgen.plan.model import Constants, predicted_ms, terms_of
from splashgen.problem import Problem
from splashgen.render import render
from splashgen.store import Entry, Regime, Status, Timing, title

__all__ = ["Plan", "Ranked", "plan_problem"]

_EQUAL = 1.01
"""The model cannot tell times apart that are nearer than this."""

Told = Callable[[Config, int, int], None]
"""(candidate, how many are settled, how many there may be)"""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate that fits the chip."""

    config: Config
    predicted_ms: float
    place: int
    """In the order in which candidates were looked at: the default first, then single steps."""


@dataclass(frozen=True)
class Plan:
    """What came of planning one problem for one chip."""

    problem: Problem
    gpu: Gpu
    ranked: tuple[Ranked, ...]
    """Fastest first; empty if no candidate fits."""
    rejected: dict[Config, str] = field(default_factory=dict)
    """Candidates that do not compile or do not fit, with the reason in a sentence."""
    regime: Regime = Regime.MIXED
    """Whose workloads the times are predicted for."""

    @property
    def title(self) -> str:
        """The problem, and the regime if it is not the mixture."""
        return title(self.problem, self.regime)

    @property
    def choice(self) -> Ranked:
        """The candidate to take: of those within 1 % of the fastest, the one nearest to the default.

        Raises
        ------
        ValueError
            If no candidate fits.
        """
        if not self.ranked:
            raise ValueError(f"No candidate for «{self.problem}» fits {self.gpu.name}.")
        limit = _EQUAL * self.ranked[0].predicted_ms
        return min((one for one in self.ranked if one.predicted_ms <= limit), key=lambda one: one.place)

    @property
    def entry(self) -> Entry:
        """The choice, as the store keeps it.

        Raises
        ------
        ValueError
            If no candidate fits.
        """
        best = self.choice
        estimate = float(f"{best.predicted_ms:.3g}")  # more digits would pretend to know them
        return Entry(
            problem=self.problem.bucketed(),
            config=best.config,
            code_hash=render(self.problem, best.config).hash,
            status=Status.PLANNED,
            time_ms=Timing(estimate, estimate, estimate),
            trials=len(self.ranked) + len(self.rejected),
            tuned_at=date.today().isoformat(),
            regime=self.regime,
        )


def plan_problem(
    problem: Problem,
    gpu: Gpu,
    compiled: Compiled,
    candidates: int = 24,
    told: Told = lambda config, done, most: None,
    regime: Regime = Regime.MIXED,
    constants: Constants | None = None,
) -> Plan:
    """Rank configs by predicted time, walking from the default to better neighbours.

    Parameters
    ----------
    problem : Problem
        What is computed; planned at its length bucket.
    gpu : Gpu
        A chip in `splashgen.plan.chips.CHIPS`; it need not be here.
    compiled : Compiled
        Asked what the compiler makes of each candidate.
    candidates : int
        How many are looked at, at most.
    told : callable
        Is told of each candidate that is settled.
    regime : Regime
        Whose workloads times are predicted for.
    constants : Constants, optional
        Of the cost model; those of the chip's architecture if left out.

    Raises
    ------
    ValueError
        If the chip's rates are not known, or the operation does not have the regime.
    NotImplementedError
        If no family computes the problem on this chip, or its kernels cannot be planned.
    """
    check_regime(problem.operation, regime)
    search = _Search(problem.bucketed(), gpu, compiled, candidates, told, regime, constants)
    search.look(starts(search.problem, gpu))
    centre = None
    while search.ranked and search.room and search.best.config != centre:
        centre = search.best.config
        search.look(neighbours(search.problem, gpu, centre))
        times = {one.config: one.predicted_ms for one in search.ranked.values()}
        merged = combined(search.problem, gpu, centre, times)
        if merged is not None:
            search.look([merged])
    ranked = sorted(search.ranked.values(), key=lambda one: one.predicted_ms)
    return Plan(search.problem, gpu, tuple(ranked), search.rejected, regime)


class _Search:
    def __init__(
        self,
        problem: Problem,
        gpu: Gpu,
        compiled: Compiled,
        most: int,
        told: Told,
        regime: Regime,
        constants: Constants | None,
    ) -> None:
        family_for(problem, gpu)  # raises if there is none
        self.problem, self.gpu = problem, gpu
        self.ranked: dict[str, Ranked] = {}
        self.rejected: dict[Config, str] = {}
        self._compiled, self._most, self._told, self._regime = compiled, most, told, regime
        self._constants = constants or constants_for(gpu)[0]
        self._seen: set[str] = set()

    @property
    def best(self) -> Ranked:
        return min(self.ranked.values(), key=lambda one: one.predicted_ms)

    @property
    def room(self) -> int:
        """Candidates that may still be looked at."""
        return self._most - len(self._seen)

    def look(self, configs: Sequence[Config]) -> None:
        """Compile and rank what was not seen before, as far as there is room."""
        asked: list[tuple[str, Config, Future[tuple[CompiledKernel, ...] | KernelError]]] = []
        for config in configs:
            code = render(self.problem, config).hash
            if code in self._seen or not self.room:
                continue
            self._seen.add(code)
            asked.append((code, config, self._compiled.ask(self.problem, config, self.gpu)))
        for code, config, answer in asked:
            self._settle(code, config, answer.result())
            self._told(config, len(self.ranked) + len(self.rejected), self._most)

    def _settle(self, code: str, config: Config, answer: tuple[CompiledKernel, ...] | KernelError) -> None:
        if isinstance(answer, KernelError):
            self.rejected[config] = str(answer)
        elif (objection := fits(answer, self.gpu)) is not None:
            self.rejected[config] = objection
        else:
            terms = terms_of(self.problem, config, self.gpu, answer, self._regime)
            time = float(predicted_ms(terms, self._constants))
            self.ranked[code] = Ranked(config, time, len(self.ranked))

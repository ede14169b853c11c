"""Studies as the tuner writes them, made up trial by trial."""

import json
from dataclasses import asdict
from typing import Any

import optuna

from splashgen.alpha import AlphaClass
from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS, Gpu
from splashgen.problem import DType, Operation, Problem
from splashgen.store import Regime
from splashgen.tune.measure.outcome import Outcome, Status

H100 = KNOWN_GPUS["h100"]
PROBLEM = Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, seq_len=1024)
DEFAULT = family_for(PROBLEM, H100).default(PROBLEM, H100).as_dict()


def good(ms: float, closeness: float = 0.5) -> Outcome:
    """Correct, and so fast."""
    return Outcome(Status.OK, errors={"out": closeness, "out_budget": 1.0}, samples=(ms,))


def bad(status: Status, reason: str = "It failed.", error: float | None = None) -> Outcome:
    """Rejected, with an error if there was one to measure."""
    return Outcome(status, reason, {} if error is None else {"out": error, "out_budget": 1.0})


def storage(*trials: tuple[dict[str, Any], Outcome], **options: Any) -> optuna.storages.BaseStorage:
    """A storage with one study; see `add`."""
    made = optuna.storages.InMemoryStorage()
    add(made, *trials, **options)
    return made


def add(
    made: optuna.storages.BaseStorage,
    *trials: tuple[dict[str, Any], Outcome],
    name: str = "h100 | entmax",
    gpu: Gpu = H100,
    problem: Problem = PROBLEM,
    regime: Regime | None = None,
    finished: dict[str, Any] | None = None,
    free: tuple[int, ...] = (),
) -> None:
    """A study whose trials change some parameters of the default, 2 seconds each; some cost nothing."""
    study = optuna.create_study(storage=made, study_name=name)
    about = {
        "problem": problem.as_dict(),
        "gpu": asdict(gpu),
        "family": "entmax_triton",
        "versions": "triton 3.6",
    }
    study.set_user_attr("about", about | ({"regime": regime.value} if regime else {}))
    choices = {
        key: optuna.distributions.CategoricalDistribution(
            list(dict.fromkeys({**DEFAULT, **changes}.get(key) for changes, _ in trials))
        )
        for key in dict.fromkeys(key for changes, _ in trials for key in (*DEFAULT, *changes))
    }
    for place, (changes, outcome) in enumerate(trials):
        params = {**DEFAULT, **changes}
        facts = {"outcome": outcome.as_dict(), "code_hash": "", "seconds": 2.0, "free": place in free}
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.COMPLETE if outcome.ok else optuna.trial.TrialState.PRUNED,
                value=outcome.median if outcome.ok else None,
                params=params,
                distributions={key: choices[key] for key in params},
                user_attrs={"status": outcome.status.value, "evaluation": json.dumps(facts)},
            )
        )
    if finished is not None:
        study.set_user_attr("finished", finished)

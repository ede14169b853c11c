"""Optuna's sampler as the tuner wants it: parameters are seen together, and rejections count."""

import warnings

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial

from splashgen.space import Space

__all__ = ["distributions", "sampler"]


def sampler(seed: int) -> optuna.samplers.BaseSampler:
    """TPE that keeps away from candidates that others are at and from kinds that were rejected."""
    with warnings.catch_warnings():
        # Experimental before Optuna 5 and deprecated since, for `Trial.set_constraint` instead.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.simplefilter("ignore", FutureWarning)
        return optuna.samplers.TPESampler(
            multivariate=True, constant_liar=True, constraints_func=_violation, seed=seed % 2**32
        )


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space's parameters as Optuna knows them."""
    return {name: CategoricalDistribution(list(values)) for name, values in space.choices.items()}


def _violation(trial: FrozenTrial) -> tuple[float]:
    """Above 0 for candidates that cannot win, whatever the reason: the sampler turns away from them."""
    return (0.0 if trial.user_attrs.get("status") == "ok" else 1.0,)

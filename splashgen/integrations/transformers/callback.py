"""`AlphaCallback`: Transformers' Trainer follows an `AlphaSchedule`."""

from typing import Any, Protocol

from transformers import TrainerCallback

from splashgen.integrations.transformers.alpha import fix_alpha, set_alpha

__all__ = ["AlphaCallback"]


class _Schedule(Protocol):
    """As much of an `AlphaSchedule` as is asked: that module names this one, so this one cannot name it."""

    def __call__(self, step: int) -> float: ...

    def is_over(self, step: int) -> bool: ...


class AlphaCallback(TrainerCallback):
    """Sets α of the model before each optimizer step, and fixes it once the schedule has ended.

    A resumed run goes on from its step. α is written to the config as well, so that a checkpoint is loaded
    with the α of its step.

    Parameters
    ----------
    schedule : AlphaSchedule

    Examples
    --------
    >>> trainer = Trainer(model, args, callbacks=[AlphaCallback(AlphaSchedule(steps=1000))])  # doctest: +SKIP
    """

    def __init__(self, schedule: _Schedule) -> None:
        self.schedule = schedule
        self._fixed = False

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self._fixed = False

    def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if self._fixed:
            return
        alpha = self.schedule(state.global_step)
        if self.schedule.is_over(state.global_step):
            fix_alpha(model, alpha)
            self._fixed = True
        else:
            set_alpha(model, alpha)

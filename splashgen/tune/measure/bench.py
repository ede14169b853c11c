"""`Bench`: the place where candidates are judged and timed, safely away from the tuner."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from splashgen.gpu import Gpu
from splashgen.tune.measure.evaluate import (
    ShootOut,
    Trial,
    judge_finalist,
    prepare_device,
    run_shoot_out,
    run_trial,
)
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.processes.process import CallHung, CallLost, Process, idle

__all__ = ["Bench", "Tools"]


@dataclass(frozen=True, slots=True)
class Tools:
    """What runs in the worker: functions that can be imported by name. A test brings its own."""

    trial: Callable[[Trial], Outcome] = run_trial
    finalist: Callable[[Trial], Outcome] = judge_finalist
    shoot_out: Callable[[ShootOut], tuple[tuple[float, ...], ...]] = run_shoot_out


class Bench:
    """One worker process, replaced whenever a candidate takes it down.

    Parameters
    ----------
    tools : Tools
        What the worker runs.
    candidate_seconds : float
        After which a candidate counts as hung.
    """

    def __init__(self, tools: Tools, candidate_seconds: float) -> None:
        self._tools, self._limit_s = tools, candidate_seconds
        self._process = Process()

    def prepare(self, gpu: Gpu) -> None:
        """Let the worker begin with its imports and the device's context, while the first kernels compile."""
        self._process.prepare(prepare_device, gpu)

    def trial(self, trial: Trial, meanwhile: Callable[[], None] = idle) -> Outcome:
        """Judge and time one candidate; whatever it does is an outcome, never an exception.

        `meanwhile` is called as soon as the worker has the candidate: what it raises ends the worker.
        """
        return self._outcome(self._tools.trial, trial, meanwhile)

    def finalist(self, trial: Trial) -> Outcome:
        """Judge one candidate at the strictest."""
        return self._outcome(self._tools.finalist, trial)

    def shoot_out(self, task: ShootOut) -> tuple[tuple[float, ...], ...]:
        """Time finalists against each other.

        Raises
        ------
        CallLost
            If the worker died or hung, or one of them failed: after an illegal access the worker is of no
            further use, so it is replaced.
        """
        limit_s = 3.0 * task.seconds + self._limit_s * len(task.configs)
        try:
            return self._process.call(self._tools.shoot_out, task, limit_s=limit_s)
        except CallLost:
            raise
        except Exception as error:
            self._process.close()
            raise CallLost(f"{type(error).__name__}: {error}") from error

    def _outcome(
        self, tool: Callable[[Trial], Outcome], trial: Trial, meanwhile: Callable[[], None] = idle
    ) -> Outcome:
        try:
            outcome: Outcome = self._process.call(tool, trial, limit_s=self._limit_s, meanwhile=meanwhile)
        except CallHung as error:
            return Outcome(Status.HUNG, str(error))
        except CallLost as error:
            return Outcome(Status.CRASHED, str(error))
        if outcome.status is Status.CRASHED:
            self._process.close()
        return outcome

    def close(self) -> None:
        """End the worker."""
        self._process.close()

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *error: Any) -> None:
        self._process.__exit__(*error)

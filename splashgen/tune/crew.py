"""`Crew`: a worker for every further GPU of the machine."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from splashgen.gpu import Gpu
from splashgen.tune.device import visible_gpus
from splashgen.tune.processes.process import CallLost, Process

__all__ = ["Crew"]

_LOGGER = logging.getLogger(__name__)
_LIMIT_SECONDS = 14 * 86_400.0


class Crew:
    """Processes that join the tuner's studies, one for each GPU but the first, which is the tuner's own.

    A worker that fails is reported and the others go on: what it was at is handed out again. All of them end
    with the tuner, however it ends.

    Parameters
    ----------
    work : callable
        What a worker runs, in a process that sees its GPU alone; importable by its name.
    """

    def __init__(self, gpu: Gpu, work: Callable[[], Any]) -> None:
        self._ending = False
        self._processes: list[Process] = []
        for name in visible_gpus(gpu)[1:]:
            process = Process({"CUDA_VISIBLE_DEVICES": name})
            self._processes.append(process)
            call = (process, name, work)
            threading.Thread(target=self._run, args=call, name=f"splashgen-gpu-{name}", daemon=True).start()

    def _run(self, process: Process, name: str, work: Callable[[], Any]) -> None:
        try:
            process.call(work, limit_s=_LIMIT_SECONDS)
        except (Exception, CallLost) as error:
            if not self._ending:
                _LOGGER.warning("The worker on GPU %s ended early: %s", name, error)

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *error: Any) -> None:
        self._ending = True
        for process in self._processes:
            process.kill()

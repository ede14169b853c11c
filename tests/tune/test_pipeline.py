"""Compiling ahead: what does not fit never runs, and what was not reached is given back."""

import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
from tune_fakes import PROBLEM

from splashgen.compile import CompiledKernel, Job
from splashgen.errors import KernelError
from splashgen.families import family_for
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.tune.database.state import state_folder
from splashgen.tune.database.storage import open_storage
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.pipeline import Pipeline
from splashgen.tune.search.search import Search
from splashgen.tune.study.journal import Journal

pytestmark = pytest.mark.usefixtures("faulty")
GPU = replace(CPU, slug="fake", shared_memory=KNOWN_GPUS["a100"].shared_memory)


class Pool:
    """Compiles at once; one fault needs too much memory, another breaks the compiler."""

    def submit(self, job: Job) -> "Future[Any]":
        future: Future[Any] = Future()
        if job.config["fault"] == "raise":
            future.set_exception(KernelError("It does not compile."))
        else:
            shared = 10**6 if job.config["fault"] == "wrong" else 1000
            future.set_result((CompiledKernel("kernel", shared, 32, 0, 4),))
        return future


def _search() -> Search:
    space = family_for(PROBLEM, GPU).space
    return Search(Journal(open_storage(state_folder()), PROBLEM, GPU, space), space, PROBLEM, GPU, (), None)


def test_what_the_compiler_rejects_has_its_outcome_before_it_runs() -> None:
    search, settled = _search(), {}
    for ticket, outcome in Pipeline(search, PROBLEM, GPU, Pool()):  # type: ignore[arg-type]
        settled[ticket.config["fault"]] = outcome
        search.tell(ticket, outcome or Outcome(Status.OK, samples=(1.0,)), 0.0)
    assert settled["wrong"].status is Status.DOES_NOT_FIT
    assert "1000000 bytes of shared memory" in settled["wrong"].reason
    assert settled["raise"] == Outcome(Status.FAILED, "It does not compile.")
    assert settled["none"] is None and settled["abort"] is None


def test_the_start_of_a_search_comes_first_however_long_it_compiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 5)

    class Late(Pool):
        first: "Future[Any] | None" = None

        def submit(self, job: Job) -> "Future[Any]":
            future = super().submit(job)
            if self.first is not None:
                return future
            self.first = Future()
            threading.Timer(0.3, lambda: self.first.set_result(())).start()
            return self.first

    numbers = [ticket.number for ticket, _ in Pipeline(_search(), PROBLEM, GPU, Late())]  # type: ignore[arg-type]
    assert numbers[0] == 0 and len(numbers) == 9


def test_closing_gives_back_what_was_asked_for_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 5)
    search = _search()
    candidates = Pipeline(search, PROBLEM, GPU, Pool())  # type: ignore[arg-type]
    ticket, _ = next(candidates)
    assert search.handed_out == 4
    candidates.top_up()
    assert search.handed_out == 5, "another one compiles while the first is timed"
    search.tell(ticket, Outcome(Status.OK, samples=(1.0,)), 0.0)
    candidates.close()
    assert search.handed_out == 1
    assert sum(1 for _ in Pipeline(_search(), PROBLEM, GPU, None)) == 8

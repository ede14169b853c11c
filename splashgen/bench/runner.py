"""The run: cell after cell, each saved as it ends, until all are measured or the time is over."""

import gc
import time
from collections.abc import Collection

import torch

from splashgen.bench.cells import Cell
from splashgen.bench.drawing import Drawing, inputs_of
from splashgen.bench.facts import session_facts
from splashgen.bench.measure import DeviceLost, reason
from splashgen.bench.peers import OURS, Peer
from splashgen.bench.results import Results
from splashgen.bench.visit import Plan, Say, Shape, Visit, shape_of

__all__ = ["Plan", "run"]


def run(plan: Plan, results: Results, device: torch.device, say: Say) -> int:
    """Measure what is missing in `results`; returns the number of cells that were left for another run."""
    began = time.monotonic()
    session: int | None = None
    started: set[Shape] = set()
    left = 0
    with Drawing() as drawing:
        for number, cell in enumerate(plan.cells):
            remaining = None if plan.budget is None else plan.budget - (time.monotonic() - began)
            peers, postponed = _due(plan, cell, results, started, remaining)
            left += bool(postponed)
            if not peers:
                continue
            if session is None:
                session = results.begin(session_facts(device))
            try:
                tensors = inputs_of(cell, device, drawing.take(cell))
                drawing.begin(next((c for c in plan.cells[number + 1 :] if _due(plan, c, results)[0]), None))
                Visit(plan, results, session, cell, started, say, drawing).measure(peers, tensors)
            except DeviceLost as error:
                say(str(error))
                return left + 1
            except Exception as error:
                say(f"{cell.key}: not measured. {reason(error)}")
                left += 1
                continue
            finally:
                tensors = {}
                gc.collect()
            for name in postponed:
                say(f"  {name} is left for another run: its first call may take longer than what remains.")
    return left


def _due(
    plan: Plan,
    cell: Cell,
    results: Results,
    started: Collection[Shape] = (),
    remaining: float | None = None,
) -> tuple[list[Peer], list[str]]:
    """Who is to be measured now, ours always among them, and who has to wait for another run."""
    finished = set() if plan.again else results.finished(cell)
    wanted = [
        peer
        for peer in plan.peers
        if peer.name not in finished and not (peer.missing and cell.key in results.data["cells"])
    ]
    postponed = []
    if remaining is not None:
        late = [
            peer
            for peer in wanted
            if remaining <= 0.0 or (shape_of(peer, cell) not in started and peer.start_seconds > remaining)
        ]
        postponed = [peer.name for peer in late]
        wanted = [peer for peer in wanted if peer not in late]
    if wanted and OURS not in wanted:
        wanted.insert(0, OURS)
    return wanted, postponed

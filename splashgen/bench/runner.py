"""The run: cell after cell, each saved as it ends, until all are measured or the time is over."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from splashgen.bench.cells import Cell
from splashgen.bench.facts import session_facts
from splashgen.bench.measure import DeviceLost, inputs_of, measure, reason
from splashgen.bench.peers import OURS, Peer
from splashgen.bench.report import cell_lines
from splashgen.bench.results import Results
from splashgen.bench.truth import density_of

__all__ = ["Plan", "run"]

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure, and for how long."""

    cells: Sequence[Cell]
    peers: Sequence[Peer]
    rounds: int = 15
    """Samples a peer and cell."""
    cell_seconds: float = 10.0
    """Of timing in a cell, five rounds at least."""
    budget: float | None = None
    """Seconds after which no other cell is begun."""
    again: bool = False
    """Measure what an earlier run has measured."""


def run(plan: Plan, results: Results, device: torch.device, say: Say) -> int:
    """Measure what is missing in `results`; returns the number of cells that were left for another run."""
    began = time.monotonic()
    session: int | None = None
    started: set[tuple[str, int, int]] = set()
    left = 0
    for cell in plan.cells:
        remaining = None if plan.budget is None else plan.budget - (time.monotonic() - began)
        peers, postponed = _due(plan, cell, results, started, remaining)
        left += bool(postponed)
        if not peers:
            continue
        if session is None:
            session = results.begin(session_facts(device))
        known = started.copy()
        started |= {(peer.name, cell.seq_len, cell.head_dim) for peer in peers}

        def starting(peer: Peer, cell: Cell = cell, known: set[tuple[str, int, int]] = known) -> None:
            """Who compiles and tunes for a new shape may take minutes without a word."""
            if peer.start_seconds and (peer.name, cell.seq_len, cell.head_dim) not in known:
                about = f"which takes about {peer.start_seconds:.0f} s"
                say(f"n={cell.seq_len} d={cell.head_dim}: {peer.title} starts, {about}.")

        try:
            tensors = inputs_of(cell, device)
            density = results.density(cell) or density_of(cell, tensors)
            rows = measure(
                cell, peers, tensors, rounds=plan.rounds, seconds=plan.cell_seconds, starting=starting
            )
        except DeviceLost as error:
            results.add_run(cell, density, session, error.rows)
            say(str(error))
            return left + 1
        except Exception as error:
            say(f"{cell.key}: failed before anybody was measured. {reason(error)}")
            left += 1
            continue
        finally:
            tensors = {}
            gc.collect()
        results.add_run(cell, density, session, rows)
        for line in cell_lines(cell, density, rows, device.type):
            say(line)
        for name in postponed:
            say(f"  {name} is left for another run: its first call may take longer than what remains.")
    return left


def _due(
    plan: Plan, cell: Cell, results: Results, started: set[tuple[str, int, int]], remaining: float | None
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
            if remaining <= 0.0
            or ((peer.name, cell.seq_len, cell.head_dim) not in started and peer.start_seconds > remaining)
        ]
        postponed = [peer.name for peer in late]
        wanted = [peer for peer in wanted if peer not in late]
    if wanted and OURS not in wanted:
        wanted.insert(0, OURS)
    return wanted, postponed

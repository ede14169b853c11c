"""`Visit`: one cell of a run. Rows are saved peer by peer, and nobody who takes too long can undo them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import torch

from splashgen.bench.cells import Cell
from splashgen.bench.drawing import Drawing, Tensors
from splashgen.bench.measure import Rows, measure
from splashgen.bench.peers import OURS, Peer
from splashgen.bench.report import cell_lines
from splashgen.bench.results import Results
from splashgen.bench.truth import density_of
from splashgen.bench.watchdog import limited

__all__ = ["Plan", "Say", "Shape", "Visit", "shape_of"]

Say = Callable[[str], None]
Shape = tuple[str, int, int]


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
    start_limit: float = 600.0
    """Seconds for a peer's first steps in a cell: then the process ends, and the next leaves it out."""
    again: bool = False
    """Measure what an earlier run has measured."""


def shape_of(peer: Peer, cell: Cell) -> Shape:
    """What a peer compiles and tunes itself for."""
    return peer.name, cell.seq_len, cell.head_dim


@dataclass(slots=True)
class Visit:
    """Where the rows of a cell go, and what is known of its peers."""

    plan: Plan
    results: Results
    session: int
    cell: Cell
    started: set[Shape]
    """Who has taken first steps in this process, and for what; added to."""
    say: Say
    drawing: Drawing

    def measure(self, peers: list[Peer], tensors: Tensors) -> None:
        """Measure these peers, ours among them.

        Raises
        ------
        DeviceLost
            If a peer fails in a way that no later call can survive.
        """
        cell, results = self.cell, self.results
        density = results.density(cell) or density_of(cell, tensors)
        for wave, rows in self._waves(peers, tensors["q"].device):
            results.add_run(cell, density, self.session, rows)
            try:
                measure(
                    cell,
                    wave,
                    tensors,
                    rounds=self.plan.rounds,
                    seconds=self.plan.cell_seconds,
                    rows=rows,
                    changed=results.save,
                    guard=partial(self._guard, rows),
                    before_timing=self.drawing.wait,
                )
            finally:
                results.save()
            for line in cell_lines(cell, density, rows, tensors["q"].device.type):
                self.say(line)

    def _waves(self, peers: list[Peer], device: torch.device) -> list[tuple[list[Peer], Rows]]:
        """Who is timed in turn: first who starts at once, then, one by one, who takes its time, with ours.

        So everybody else's samples are saved before somebody begins that may not come to an end. Who was cut
        off in an earlier run has its row from the beginning.
        """
        cut: Rows = {} if self.plan.again else self._cut_off(peers)
        rest = [peer for peer in peers if peer.name not in cut]
        late = [peer for peer in rest if self._takes_its_time(peer, device)]
        first = [peer for peer in rest if peer not in late]
        if first == [OURS] and (late or (cut and OURS.name in self.results.finished(self.cell))):
            first = []  # ours was to be there for the others' sake
        waves: list[tuple[list[Peer], Rows]] = [(first, cut)] if first or cut else []
        return waves + [([OURS, peer], {}) for peer in late]

    def _cut_off(self, peers: Sequence[Peer]) -> Rows:
        reasons = {peer.name: self.results.too_slow(self.cell, peer.name) for peer in peers}
        return {name: {"status": "too slow", "reason": why} for name, why in reasons.items() if why}

    def _takes_its_time(self, peer: Peer, device: torch.device) -> bool:
        new = peer.start_seconds > 0.0 and shape_of(peer, self.cell) not in self.started
        return new and not (peer.missing or peer.refusal(self.cell, device))

    def _guard(self, rows: Rows, peer: Peer) -> AbstractContextManager[None]:
        """For a peer's first steps: announced where they take long, and ended where they take too long."""
        sizes, limit_s = f"n={self.cell.seq_len} d={self.cell.head_dim}", self.plan.start_limit
        if peer.start_seconds and shape_of(peer, self.cell) not in self.started:
            self.say(f"{sizes}: {peer.title} starts, which takes about {peer.start_seconds:.0f} s.")
        self.started.add(shape_of(peer, self.cell))

        def expired() -> None:
            why = f"Its first steps took longer than {limit_s:g} s."
            rows[peer.name] = {"status": "too slow", "reason": why, "limit_s": limit_s}
            self.results.save()
            self.say(f"{sizes}: {peer.title} is too slow. {why} Run the same command again to go on without.")

        return limited(limit_s, expired)

"""`Contest`: one model's training step, timed with one implementation of attention after another."""

import time
from typing import Any

import torch
from torch import Tensor, nn

from examples.kit.swap import Swap
from examples.kit.training import precision
from splashgen.bench.cells import Cell
from splashgen.bench.measure import reason
from splashgen.bench.peers import DENSE, PEERS, Attend, Peer

__all__ = ["Contest"]

_COPIED = {"adasplash1", "adasplash2"}
"""They read contiguous tensors only; the copy is part of their step."""

_MOST_MS = 2000.0
"""Who has taken longer in all is timed in no further round: seconds need fewer samples than milliseconds."""


class Contest:
    """A model on a device with its optimizer and a batch.

    Parameters
    ----------
    model : Module
        Of Transformers, built with `swap` as its attention; its output has a loss.
    swap : Swap
    cell : Cell
        The attention that full layers compute, by which peers are chosen.
    batch : Tensor (batch, length)
        int64 tokens, which are the labels too.
    """

    def __init__(self, model: nn.Module, swap: Swap, cell: Cell, batch: Tensor) -> None:
        self.model, self.swap, self.cell, self.batch = model, swap, cell, batch
        self.device = batch.device
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=self.device.type == "cuda")

    def run(self, names: tuple[str, ...], rounds: int) -> dict[str, dict[str, Any]]:
        """A row for each peer: its seconds, round by round in turn, and the peak of memory; or why not.

        Returns
        -------
        dict
            Rows with `status` `ok`, `missing`, `unsupported`, `out of memory` or `failed`. An `ok` row has
            `first_step_s`, `step_ms` (a list) and `peak_gb`, the model and optimizer included.
        """
        rows: dict[str, dict[str, Any]] = {}
        runners: dict[str, Attend] = {}
        for name in names:
            peer = PEERS[name]
            # The entmax package refuses long sequences in the benchmark; here its limit is to be found.
            refused = peer.missing or (None if peer is DENSE else peer.refusal(self.cell, self.device))
            if refused:
                rows[name] = {"status": "missing" if peer.missing else "unsupported", "reason": refused}
            else:
                rows[name] = self._enter(peer, runners)
        for _ in range(rounds):
            for name, attend in runners.items():
                if sum(rows[name]["step_ms"]) < _MOST_MS:
                    rows[name]["step_ms"].append(round(1e3 * self._step(name, attend), 3))
        return rows

    def _enter(self, peer: Peer, runners: dict[str, Attend]) -> dict[str, Any]:
        try:
            attend = peer.attend(self.cell, self.device)
            first = self._step(peer.name, attend)
            if self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(self.device)
            self._step(peer.name, attend)
        except torch.cuda.OutOfMemoryError as error:
            row = {"status": "out of memory", "reason": reason(error)}
        except Exception as error:  # one peer's failure is a row, and the others are still measured
            row = {"status": "failed", "reason": reason(error)}
        else:
            runners[peer.name] = attend
            peak = torch.cuda.max_memory_allocated(self.device) / 1e9 if self.device.type == "cuda" else 0.0
            return {"status": "ok", "first_step_s": round(first, 3), "peak_gb": round(peak, 3), "step_ms": []}
        self.optimizer.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return row

    def _step(self, name: str, attend: Attend) -> float:
        """Seconds of forward, backward and update."""
        self.swap.attend, self.swap.contiguous = attend, name in _COPIED
        self._wait()
        began = time.perf_counter()
        with precision(self.device):
            loss = self.model(input_ids=self.batch, labels=self.batch).loss
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self._wait()
        return time.perf_counter() - began

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

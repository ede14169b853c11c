"""splashgen itself, through the public function, with the config that dispatch chooses."""

from functools import partial
from typing import Any

import torch

from splashgen.bench.cells import Cell
from splashgen.bench.peers.peer import Attend, Peer
from splashgen.dispatch import kernel_for
from splashgen.functional import attention

__all__ = ["OURS"]


def _attend(cell: Cell, device: torch.device) -> Attend:
    return partial(attention, alpha=cell.number, is_causal=cell.causal)


def _facts(cell: Cell, device: torch.device) -> dict[str, Any]:
    # Tensors on a GPU name its index, and dispatch keys its table by that.
    kernel = kernel_for(cell.problem, torch.empty(0, device=device).device)
    return {
        "family": kernel.config.family,
        "config": kernel.config.as_dict(),
        "code_hash": kernel.rendered.hash,
    }


OURS = Peer("ours", "splashgen", _attend, facts=_facts)

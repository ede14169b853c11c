"""splashgen itself, through the public function, with the config that dispatch chooses."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from splashgen.ahead import KERNELS
from splashgen.bench.cells import Cell
from splashgen.bench.compilations import Compilation
from splashgen.bench.peers.peer import Attend, Peer
from splashgen.compile.warm import WarmJob
from splashgen.dispatch import kernel_for
from splashgen.functional import attention
from splashgen.gpu import Gpu
from splashgen.store import lookup

__all__ = ["OURS"]

_SECONDS = 2.0
"""To compile one kernel."""


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


def _compilations(cell: Cell, gpu: Gpu) -> Sequence[Compilation]:
    problem, config = cell.problem, lookup(cell.problem, gpu).config
    title = f"splashgen, {problem}"
    # Attention's kernels are the same for all lengths that share a config.
    jobs = [WarmJob(problem.semantics(), config, gpu, part, KERNELS) for part in range(KERNELS)]
    return [Compilation(title, job, _SECONDS) for job in jobs]


OURS = Peer("ours", "splashgen", _attend, facts=_facts, compilations=_compilations)

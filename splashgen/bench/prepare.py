"""`splashgen bench --prepare`: all that cells and peers will compile, into Triton's cache, side by side."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace

import torch

from splashgen.ahead import cores
from splashgen.bench.cells import SEED, Cell
from splashgen.bench.compilations import Compilation
from splashgen.bench.peers import Peer
from splashgen.compile import CompilePool
from splashgen.compile.pool import Work
from splashgen.compile.warm import Filled
from splashgen.errors import KernelError
from splashgen.gpu import Gpu

__all__ = ["Prepared", "prepare"]

LIMIT_S = 420.0
"""For one kernel, where it is compiled beside as many others as there are cores."""
_PERIOD_S = 5.0

Say = Callable[[str], None]


@dataclass(slots=True)
class Prepared:
    """What was done so far."""

    compiled: int = 0
    """Kernels that were not in the cache."""
    found: int = 0
    """Kernels that were."""
    left_out: int = 0
    """Pieces of work that failed or took too long."""


def prepare(
    cells: Sequence[Cell],
    peers: Sequence[Peer],
    gpu: Gpu,
    say: Say,
    processes: int | None = None,
    limit_s: float = LIMIT_S,
) -> Prepared:
    """Compile for `gpu`, which need not be here, what first calls of these peers in these cells will need.

    Nothing is launched or timed. It can be ended at any time: what is in the cache by then is found again.

    Parameters
    ----------
    processes : int, optional
        How many compile at a time; one a core if left out.
    limit_s : float
        Seconds after which a kernel is left out, with a line.

    Raises
    ------
    ValueError
        If nothing is compiled for the device.
    """
    if gpu.backend == "cpu":
        raise ValueError("There is no GPU here to prepare for; name one with --gpu, such as --gpu h100.")
    work = _work(cells, peers, gpu)
    count = min(processes or cores(), max(len(work), 1))
    say(f"{len(work)} pieces of work, {count} at a time, for {gpu.name}.")
    done, pool = Prepared(), CompilePool(count, limit_s)
    try:
        _gather({pool.submit(each.job): each for each in work}, done, say)
    except BaseException:
        pool.close(at_once=True)
        raise
    pool.close()
    say(f"{done.compiled} kernels compiled, {done.found} found in the cache, {done.left_out} left out.")
    return done


def _work(cells: Sequence[Cell], peers: Sequence[Peer], gpu: Gpu) -> list[Compilation]:
    """Each piece once, the longest first, so that all cores are busy to the end."""
    found: dict[Work[Filled], Compilation] = {}
    # Values do not matter to a compiler.
    for cell in dict.fromkeys(replace(cell, workload="gaussian", seed=SEED) for cell in cells):
        for peer in peers:
            if peer.missing:
                continue
            pieces = peer.compilations(cell, gpu)
            if pieces and peer.refusal(cell, torch.device("cuda")) is None:
                found |= {piece.job: piece for piece in pieces}
    return sorted(found.values(), key=lambda piece: -piece.seconds)


def _gather(futures: "dict[Future[Filled], Compilation]", done: Prepared, say: Say) -> None:
    began = said = time.monotonic()
    total, spent, remaining = len(futures), 0.0, sum(piece.seconds for piece in futures.values())
    while futures:
        for future in wait(futures, timeout=_PERIOD_S, return_when=FIRST_COMPLETED).done:
            piece = futures.pop(future)
            remaining -= piece.seconds
            try:
                filled = future.result()
            except KernelError as error:
                done.left_out += 1
                say(f"Left out: {piece.title}. {error}")
                continue
            done.compiled += filled.compiled
            done.found += filled.found
            if filled.compiled:  # to find the others takes no time, so they say nothing about what is left
                spent += piece.seconds
        if futures and time.monotonic() - said >= _PERIOD_S:
            said = time.monotonic()
            left = f", about {remaining * (said - began) / spent:.0f} s left" if spent else ""
            say(f"{total - len(futures)} of {total} done{left}.")

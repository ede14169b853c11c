"""What a peer compiles for a cell, as work for processes side by side: `splashgen bench --prepare`."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from splashgen.bench.cells import Cell
from splashgen.compile.pool import Work
from splashgen.compile.recorder import compiling_for
from splashgen.compile.warm import Filled, build_launchers, counting
from splashgen.gpu import Gpu

if TYPE_CHECKING:
    import torch

__all__ = ["Candidate", "Compilation"]


@dataclass(frozen=True, slots=True)
class Compilation:
    """One piece of work: a kernel, or as little as can be told apart before it is compiled."""

    title: str
    """For the line that says that it was left out."""
    job: Work[Filled]
    seconds: float
    """What it takes about on one core: the longest are begun first."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Every `parts`-th launch of a peer's training step, each config of its autotuners being a launch.

    Where Triton's autotuner would compile and time one config after the other, this compiles one for a chip
    that need not be here, and leaves it where the autotuner will look for it.
    """

    attend: "Callable[[Cell, torch.device], Callable[..., Any]]"
    """As in `Peer`, a function of a module; it must get along with torch's meta device."""
    cell: Cell
    gpu: Gpu
    part: int = 0
    parts: int = 1

    @property
    def config(self) -> str:
        """Which part of what, for messages."""
        return f"part {self.part} of {self.parts} for n={self.cell.seq_len} d={self.cell.head_dim}"

    def run(self) -> Filled:
        """Compile in this process what is missing."""
        import torch

        began = time.perf_counter()
        shape = (self.cell.batch, self.cell.heads, self.cell.seq_len, self.cell.head_dim)
        dtype = getattr(torch, self.cell.dtype.value)
        q, k, v, dout = (torch.empty(shape, dtype=dtype, device="meta") for _ in range(4))
        inputs = tuple(tensor.requires_grad_() for tensor in (q, k, v))
        share = self.part, self.parts
        with counting() as hits, compiling_for(self.gpu, share) as compiled, _every_config():
            out = self.attend(self.cell, torch.device("meta"))(*inputs)
            torch.autograd.grad(out, inputs, dout)
        launchers = build_launchers(self.gpu, list(compiled.values()))
        return Filled(hits.count(False), hits.count(True), launchers, time.perf_counter() - began)


@contextlib.contextmanager
def _every_config() -> Iterator[None]:
    """Within, an autotuned kernel is launched with each of its configs, and none is timed."""
    from triton.runtime.autotuner import Autotuner

    tuned = Autotuner.run

    def launch_all(self: Any, *args: Any, **kwargs: Any) -> None:
        self.nargs = dict(zip(self.arg_names, args, strict=False))
        for config in self.prune_configs(kwargs):
            self.fn.run(*args, **kwargs, **config.all_kwargs())

    Autotuner.run = launch_all
    try:
        yield
    finally:
        Autotuner.run = tuned

"""The inputs of cells; `Drawing` draws the next cell's while peers take their first steps in this one."""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType

import torch

from splashgen.bench.cells import Cell
from splashgen.workloads import attention_tensors

__all__ = ["Drawing", "Tensors", "inputs_of"]

Tensors = dict[str, torch.Tensor]


def inputs_of(cell: Cell, device: torch.device, drawn: Tensors | None = None) -> Tensors:
    """`q`, `k`, `v`, which require gradients, and `dout`, in the cell's dtype on the device.

    Drawn here, unless they are given as `attention_tensors` answers.
    """
    dtype = getattr(torch, cell.dtype.value)
    drawn = drawn or attention_tensors(cell.workload, cell.shape, cell.seed)
    tensors = {name: tensor.to(device=device, dtype=dtype) for name, tensor in drawn.items()}
    for name in ("q", "k", "v"):
        tensors[name].requires_grad_()
    return tensors


class Drawing:
    """One thread, which must be waited for before anything is timed."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="splashgen-draw")
        self._next: tuple[Cell, Future[Tensors]] | None = None

    def begin(self, cell: Cell | None) -> None:
        """Draw for the cell that comes next, if there is one."""
        if cell is not None:
            future = self._thread.submit(attention_tensors, cell.workload, cell.shape, cell.seed)
            self._next = cell, future

    def wait(self) -> None:
        """Until the thread has nothing to do."""
        if self._next is not None:
            wait([self._next[1]])

    def take(self, cell: Cell) -> Tensors | None:
        """What was drawn, as `attention_tensors` answers; None if it was for another cell."""
        begun, self._next = self._next, None
        return begun[1].result() if begun is not None and begun[0] == cell else None

    def __enter__(self) -> "Drawing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=True)

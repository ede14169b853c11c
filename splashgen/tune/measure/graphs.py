"""CUDA graphs: a call recorded once and replayed, so that what it launches follows without the host."""

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["captured"]


def captured(call: Callable[[], Any]) -> tuple[Callable[[], None], Any] | None:
    """What replays `call`, and the result that each replay overwrites; None if it cannot be recorded.

    A call that reads back from the device, or waits for it, cannot be recorded.
    """
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # what is allocated or compiled on the first call is no part of the graph
        call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            result = call()
    except RuntimeError:
        torch.cuda.synchronize()  # raises if more than the recording failed
        return None
    return graph.replay, result

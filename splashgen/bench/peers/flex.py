"""FlexAttention, compiled for each shape, with a block mask where causal."""

import functools
from typing import Any, cast

import torch
import torch._functorch.config
import torch._inductor.config
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from splashgen.bench.cells import Cell
from splashgen.bench.peers.peer import Attend, Peer

__all__ = ["FLEX"]


def _causal(batch: Any, head: Any, query: Any, key: Any) -> Any:
    return query >= key


@functools.lru_cache(maxsize=1)
def _compiled(seq_len: int, head_dim: int, causal: bool, device: torch.device) -> Attend:
    # Dynamo stops compiling one function after eight shapes, and would go on in eager mode without a word.
    torch._dynamo.reset()
    # A backward that is timed alone keeps its graph, which donated buffers would forbid.
    torch._functorch.config.donated_buffer = False
    # Two or three kernels a shape: a compile process for each core would take longer to start than they take.
    torch._inductor.config.compile_threads = 1
    mask = None
    if causal:
        # Compiled, or the whole mask lies in memory for a moment.
        mask = create_block_mask(_causal, None, None, seq_len, seq_len, device=str(device), _compile=True)
    compiled = torch.compile(flex_attention, dynamic=False)
    return cast(Attend, functools.partial(compiled, block_mask=mask))


def _attend(cell: Cell, device: torch.device) -> Attend:
    return _compiled(cell.seq_len, cell.head_dim, cell.causal, device)


def _needs_gpu(cell: Cell, device: torch.device) -> str | None:
    return None if device.type == "cuda" else "It needs a GPU."


FLEX = Peer("flex", "FlexAttention", _attend, softmax=True, refusal=_needs_gpu, start_seconds=20.0)

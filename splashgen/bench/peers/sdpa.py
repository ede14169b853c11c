"""Dense softmax attention through torch's `scaled_dot_product_attention`, one backend a peer."""

from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from splashgen.bench.cells import Cell
from splashgen.bench.peers.peer import Attend, Peer

__all__ = ["CUDNN", "FLASH2", "MATH"]


def _through(backend: SDPBackend) -> Callable[[Cell, torch.device], Attend]:
    def attend(cell: Cell, device: torch.device) -> Attend:
        def forward(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            with sdpa_kernel(backend):
                return scaled_dot_product_attention(q, k, v, is_causal=cell.causal)

        return forward

    return attend


def _needs_gpu(cell: Cell, device: torch.device) -> str | None:
    return None if device.type == "cuda" else "It needs a GPU."


def _needs_cpu(cell: Cell, device: torch.device) -> str | None:
    return None if device.type == "cpu" else "It is the CPU's stand-in for the kernels that need a GPU."


FLASH2 = Peer("flash2", "FlashAttention-2", _through(SDPBackend.FLASH_ATTENTION), True, refusal=_needs_gpu)
CUDNN = Peer("cudnn", "cuDNN", _through(SDPBackend.CUDNN_ATTENTION), True, refusal=_needs_gpu)
MATH = Peer("sdpa_math", "SDPA in plain torch", _through(SDPBackend.MATH), True, refusal=_needs_cpu)

"""How many blocks of a kernel a multiprocessor holds at once."""

from splashgen.compile import CompiledKernel
from splashgen.gpu import Gpu
from splashgen.plan.chips import Chip

__all__ = ["resident_blocks"]

_BLOCK_RESERVE = 1024
"""Bytes of shared memory that CUDA keeps for itself in each block (programming guide, from sm_80 on)."""
_TENSOR_MEMORY = 512
"""Columns of tensor memory in a Blackwell multiprocessor."""


def resident_blocks(kernel: CompiledKernel, gpu: Gpu, chip: Chip) -> int:
    """Blocks that fit by threads, registers, shared memory and tensor memory; at least 1."""
    threads = kernel.num_warps * gpu.warp_size
    registers = min(-(-max(kernel.registers, 1) // 8) * 8, chip.widest)  # they are handed out in eights
    reserve = _BLOCK_RESERVE if gpu.backend == "cuda" else 0
    limits = [
        chip.blocks,
        chip.threads // threads,
        chip.registers // (registers * threads),
        chip.shared_memory // max(kernel.shared_memory + reserve, 1),
    ]
    if kernel.tensor_memory:
        limits.append(_TENSOR_MEMORY // kernel.tensor_memory)
    return max(min(limits), 1)

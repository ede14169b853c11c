"""Registers and spills of a compiled kernel, read from its binary."""

import re
from typing import Any

from splashgen.compile.binary import cubin_path, cuobjdump
from splashgen.errors import KernelError

__all__ = ["registers_and_spills"]


def registers_and_spills(kernel: Any) -> tuple[int, int]:
    """32-bit registers a thread uses, and how many it spills to memory.

    Parameters
    ----------
    kernel : triton.compiler.CompiledKernel
        Compiled for CUDA or HIP; it need not be loaded.
    """
    path = cubin_path(kernel)
    return _from_amdgcn(kernel.asm["amdgcn"]) if path is None else _from_cubin(path, kernel.name)


def _from_cubin(path: str, name: str) -> tuple[int, int]:
    text = cuobjdump("--dump-resource-usage", path)
    # cuobjdump prints «Function NAME:\n  REG:40 STACK:0 SHARED:0 LOCAL:0 ...»; the stack holds the spills.
    found = re.search(rf"Function {re.escape(name)}:\s*REG:(\d+) STACK:(\d+) SHARED:\d+ LOCAL:(\d+)", text)
    if found is None:
        raise KernelError(
            f"cuobjdump did not report the resources of {name}; it printed: {text.strip()[:500]}"
        )
    registers, stack, local = map(int, found.groups())
    return registers, (stack + local) // 4


def _from_amdgcn(text: str) -> tuple[int, int]:
    def count(name: str) -> int:
        return max((int(value) for value in re.findall(rf"\.{name}:\s+(\d+)", text)), default=0)

    return count("vgpr_count"), count("vgpr_spill_count")

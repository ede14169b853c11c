"""Registers and spills of a compiled kernel, read from its binary."""

import re
import subprocess
from typing import Any

from splashgen.errors import KernelError

__all__ = ["registers_and_spills"]


def registers_and_spills(kernel: Any) -> tuple[int, int]:
    """32-bit registers a thread uses, and how many it spills to memory.

    Parameters
    ----------
    kernel : triton.compiler.CompiledKernel
        Compiled for CUDA or HIP; it need not be loaded.
    """
    if "cubin" in kernel.asm:
        path = next(path for name, path in kernel.metadata_group.items() if name.endswith(".cubin"))
        return _from_cubin(str(path), kernel.name)
    return _from_amdgcn(kernel.asm["amdgcn"])


def _from_cubin(path: str, name: str) -> tuple[int, int]:
    from triton import knobs

    command = [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", path]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
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

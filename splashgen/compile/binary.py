"""The binary of a kernel compiled for CUDA, and what cuobjdump tells of it."""

import subprocess
from typing import Any

__all__ = ["cubin_path", "cuobjdump"]


def cubin_path(kernel: Any) -> str | None:
    """Where Triton keeps the cubin of a `triton.compiler.CompiledKernel`; None if it was compiled for HIP."""
    if "cubin" not in kernel.asm:
        return None
    return str(next(path for name, path in kernel.metadata_group.items() if name.endswith(".cubin")))


def cuobjdump(option: str, path: str) -> str:
    """What CUDA's cuobjdump, which comes with Triton, prints of a cubin."""
    from triton import knobs

    command = [knobs.nvidia.cuobjdump.path, option, path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

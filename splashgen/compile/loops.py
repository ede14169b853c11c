"""Instructions of a compiled kernel and of its innermost loops, counted in its binary."""

import functools
import re
import subprocess
from dataclasses import dataclass
from typing import Any

__all__ = ["Loop", "instructions_and_loops"]

_MATRIX = re.compile(r"\b(\w*MMA\b|\w*MMA\.|v_\w*mfma)")
_TRANSFER = re.compile(
    r"(@\S+ )?(LD|LDG|LDL|LDS|LDSM|LDTM|LDGSTS|ST|STG|STL|STS|STSM|STTM|ATOM\w*|RED)\b(?!_)"
)
_AMD_TRANSFER = re.compile(r"(ds|global|buffer|scratch|flat)_")
_SHORTEST = 8
"""Shorter loops spin on a barrier."""


@dataclass(frozen=True, slots=True)
class Loop:
    """An innermost loop of a kernel's machine code."""

    instructions: int
    """Issued by a warp in one turn, no-operations left out."""
    products: int
    """Of them, matrix instructions."""
    transfers: int = 0
    """Of them, loads and stores of any memory, spilled registers among them."""


_Line = tuple[int, str, int | None]
"""Address, text, and the address it may branch to."""


def instructions_and_loops(kernel: Any) -> tuple[int, tuple[Loop, ...]]:
    """Instructions of the whole kernel, and its innermost loops in the order of their addresses.

    Parameters
    ----------
    kernel : triton.compiler.CompiledKernel
        Compiled for CUDA or HIP; it need not be loaded.
    """
    if "cubin" in kernel.asm:
        path = next(path for name, path in kernel.metadata_group.items() if name.endswith(".cubin"))
        return _of_cubin(str(path))
    lines = _amdgcn_lines(kernel.asm["amdgcn"])
    return len(lines), _innermost(lines)


# Candidates share most of their kernels, and Triton names files by content.
@functools.lru_cache(maxsize=1024)
def _of_cubin(path: str) -> tuple[int, tuple[Loop, ...]]:
    from triton import knobs

    command = [knobs.nvidia.cuobjdump.path, "-sass", path]
    lines = _sass_lines(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return len(lines), _innermost(lines)


def _sass_lines(text: str) -> list[_Line]:
    """Lines like `/*01a0*/  @P0 BRA `(.L_x_3) 0x150 ;`."""
    lines: list[_Line] = []
    for address, code in re.findall(r"/\*([0-9a-f]{4,6})\*/\s+(\S[^;]*);", text):
        if re.match(r"(@\S+ )?NOP\b", code):
            continue
        target = re.search(r"\b0x([0-9a-f]+)\s*$", code) if re.search(r"\bBRA\b", code) else None
        lines.append((int(address, 16), code, int(target[1], 16) if target else None))
    return lines


def _amdgcn_lines(text: str) -> list[_Line]:
    """Instructions are indented; a label stands for the place of the next one."""
    code: list[str] = []
    labels: dict[str, int] = {}
    for line in text.splitlines():
        line = line.partition(";")[0].rstrip()
        if label := re.match(r"(\.LBB\w+):", line):
            labels[label[1]] = len(code)
        elif re.match(r"\s+[sv]_(?!nop)|\s+(ds|global|buffer|flat|scratch)_", line):
            code.append(line.strip())
    found = ((place, text, re.match(r"s_c?branch\w*\s+(\S+)", text)) for place, text in enumerate(code))
    return [(place, text, labels.get(branch[1]) if branch else None) for place, text, branch in found]


def _transfers(text: str) -> bool:
    return bool(_TRANSFER.match(text) or _AMD_TRANSFER.match(text))


def _innermost(lines: list[_Line]) -> tuple[Loop, ...]:
    """A branch back closes a loop; those that hold no other one are innermost."""
    ends: dict[int, int] = {}
    for address, _, target in lines:
        if target is not None and target <= address:
            ends[target] = max(address, ends.get(target, address))
    bodies = []
    for first, last in sorted(ends.items()):
        # Out-of-line code jumps back as well, but its span is not within a loop's.
        if any((first, last) != span and first <= span[0] and span[1] <= last for span in ends.items()):
            continue
        body = [text for address, text, _ in lines if first <= address <= last]
        products = sum(bool(_MATRIX.search(text)) for text in body)
        bodies.append(Loop(len(body), products, sum(map(_transfers, body))))
    return tuple(body for body in bodies if body.instructions >= _SHORTEST)

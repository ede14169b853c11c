"""Instructions of a compiled kernel and of its innermost loops, counted in its binary."""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from splashgen.compile.binary import cubin_path, cuobjdump

__all__ = ["Loop", "instructions_and_loops"]

_MATRIX = re.compile(r"\b(\w*MMA\b|\w*MMA\.|v_\w*mfma)")
_TRANSFER = re.compile(
    r"(@\S+ )?(LD|LDG|LDL|LDS|LDSM|LDTM|LDGSTS|ST|STG|STL|STS|STSM|STTM|ATOM\w*|RED)\b"
    r"|(ds|global|buffer|scratch|flat)_"
)
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
    optional: int = 0
    """Of them, those that its longest branch forward passes over: what few turns need, such as a mask."""


_Line = tuple[int, str, int | None]
"""Address, text, and the address it may branch to."""


def instructions_and_loops(kernel: Any) -> tuple[int, tuple[Loop, ...]]:
    """Instructions of the whole kernel, and its innermost loops in the order of their addresses.

    Parameters
    ----------
    kernel : triton.compiler.CompiledKernel
        Compiled for CUDA or HIP; it need not be loaded.
    """
    path = cubin_path(kernel)
    return _of_amdgcn(kernel.asm["amdgcn"]) if path is None else _of_cubin(path)


# Candidates share most of their kernels, and Triton names files by content.
@functools.lru_cache(maxsize=1024)
def _of_cubin(path: str) -> tuple[int, tuple[Loop, ...]]:
    return _of_sass(cuobjdump("-sass", path))


def _of_sass(text: str) -> tuple[int, tuple[Loop, ...]]:
    """A branch back closes a loop; those that hold no other one are innermost."""
    lines = _sass_lines(text)
    ends: dict[int, int] = {}
    for address, _, target in lines:
        if target is not None and target <= address:
            ends[target] = max(address, ends.get(target, address))
    bodies = []
    for first, last in sorted(ends.items()):
        # Out-of-line code jumps back as well, but its span is not within a loop's.
        if any((first, last) != span and first <= span[0] and span[1] <= last for span in ends.items()):
            continue
        bodies.append([line for line in lines if first <= line[0] <= last])
    return len(lines), _loops(bodies)


def _sass_lines(text: str) -> list[_Line]:
    """Lines like `/*01a0*/  @P0 BRA `(.L_x_3) 0x150 ;`."""
    lines: list[_Line] = []
    for address, code in re.findall(r"/\*([0-9a-f]{4,6})\*/\s+(\S[^;]*);", text):
        if re.match(r"(@\S+ )?NOP\b", code):
            continue
        target = re.search(r"\b0x([0-9a-f]+)\s*$", code) if re.search(r"\bBRA\b", code) else None
        lines.append((int(address, 16), code, int(target[1], 16) if target else None))
    return lines


def _of_amdgcn(text: str) -> tuple[int, tuple[Loop, ...]]:
    """LLVM writes beside each block of code which loop it belongs to, and which loops are innermost."""
    count, block, loop = 0, "", ""
    starts: dict[str, int] = {}
    codes: dict[str, list[tuple[int, str]]] = {}
    for line in text.splitlines():
        code, _, comment = line.partition(";")
        if label := re.match(r"\.L(BB\w+):", code):
            block, loop = label[1], ""
            starts[block] = count
        elif re.match(r" %bb\.", comment):
            block, loop = "", ""
        if "Inner Loop Header" in comment:
            loop = block
        elif header := re.search(r"in Loop: Header=(\w+)", comment):
            loop = header[1]
        code = code.strip()
        if re.match(r"[sv]_(?!nop)|(ds|global|buffer|flat|scratch)_", code):
            # A block may stand before the header of its loop.
            codes.setdefault(loop, []).append((count, code))
            count += 1
    inner = re.findall(r"^\.L(BB\w+):(?:.*\n\s*;)*.*Inner Loop Header", text, re.MULTILINE)

    def target(code: str) -> int | None:
        branch = re.match(r"s_c?branch\w*\s+\.L(BB\w+)", code)
        return starts.get(branch[1]) if branch else None

    return count, _loops([[(place, code, target(code)) for place, code in codes[name]] for name in inner])


def _loops(bodies: Iterable[list[_Line]]) -> tuple[Loop, ...]:
    counted = (
        Loop(
            len(body),
            sum(bool(_MATRIX.search(text)) for _, text, _ in body),
            sum(bool(_TRANSFER.match(text)) for _, text, _ in body),
            max((_passed_over(body, line) for line in body), default=0),
        )
        for body in bodies
    )
    return tuple(loop for loop in counted if loop.instructions >= _SHORTEST)


def _passed_over(body: Sequence[_Line], branch: _Line) -> int:
    """How many instructions of a loop lie between a branch and where in the loop it goes on."""
    address, _, target = branch
    if target is None or target > body[-1][0]:
        return 0
    return sum(address < place < target for place, _, _ in body)

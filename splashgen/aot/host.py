"""The host side of an exported file: its kernels' source taken out, loaders put in."""

import ast
import re

__all__ = ["host_source"]

_IMPORTS = {
    "import triton": "from . import launch as triton",
    "import triton.language as tl": "from . import launch as tl",
}


def host_source(source: str, arch: str) -> str:
    """`source` with a loader in place of each kernel, and without triton.

    Functions that only kernels call go. What the rest takes from triton, `launch` beside it has too.

    Parameters
    ----------
    source : str
        An exported file.
    arch : str
        The architecture that its kernels are compiled for, for the header.
    """
    tree = ast.parse(source)
    jitted = [node for node in tree.body if isinstance(node, ast.FunctionDef) and _is_jitted(node)]
    launched = {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)
    }
    lines: list[str | None] = list(source.split("\n"))
    for node in jitted:
        first = node.decorator_list[0].lineno - 1
        loader = f'{node.name} = triton.Kernel("{node.name}")' if node.name in launched else None
        lines[first : node.end_lineno] = [loader, *[None] * ((node.end_lineno or 0) - first - 1)]
    text = "\n".join(_IMPORTS.get(line, line) for line in lines if line is not None)
    text = re.sub(r"\n{4,}", "\n\n\n", text)
    return text.replace(
        "Needs torch and triton alone.", f"Needs torch and an NVIDIA GPU of architecture {arch} alone.", 1
    )


def _is_jitted(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(each).startswith("triton.jit") for each in node.decorator_list)

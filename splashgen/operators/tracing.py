"""What a trace or a transformation is, and what it knows of sizes."""

import torch
from torch._C._functorch import TransformType, peek_interpreter_stack
from torch.compiler import is_compiling
from torch.fx.experimental import symbolic_shapes

from splashgen.dispatch import forget_older, table_digest

__all__ = ["needs_operator", "probable", "tables", "transformed"]

_example_of = getattr(symbolic_shapes, "guarding_hint_or_throw", None)


def needs_operator() -> bool:
    """Whether the call is being traced or transformed, so that eager mode's road does not do.

    Raises
    ------
    RuntimeError
        Inside `torch.func.grad`, `jvp` and their kin; `torch.vmap` is supported.
    """
    if is_compiling():
        return True
    level = peek_interpreter_stack()
    if level is None:
        return False
    if level.key() != TransformType.Vmap:
        raise RuntimeError(
            "splashgen's kernels cannot be differentiated by torch.func; use torch.autograd.grad."
        )
    return True


def transformed() -> bool:
    """Whether a transformation of torch.func is at work: tensors may then have a hidden dimension."""
    return peek_interpreter_stack() is not None


def probable(size: int | torch.SymInt) -> int | None:
    """The size that a graph is traced with, without tying the graph to it; None if there is no such size."""
    if not isinstance(size, torch.SymInt):
        return size
    if symbolic_shapes.free_unbacked_symbols(size):
        return None
    # Until torch 2.12 a symbol's example had another name.
    return int(size.node.hint if _example_of is None else _example_of(size))


@torch.compiler.assume_constant_result
def tables() -> str:
    """What configs are chosen from, as a constant of the graph that torch.compile traces.

    Torch keeps graphs on disk and finds them by what is in them: after a tune it must not find the old one.
    Nor must the new one be traced with the kernels of before.
    """
    forget_older()
    return table_digest()

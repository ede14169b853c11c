"""What a trace or a transformation is, and what it knows of sizes."""

import torch

__all__ = ["needs_operator", "probable", "transformed"]


def needs_operator() -> bool:
    """Whether the call is being traced or transformed, so that eager mode's road does not do.

    Raises
    ------
    RuntimeError
        Inside `torch.func.grad`, `jvp` and their kin; `torch.vmap` is supported.
    """
    if torch.compiler.is_compiling():
        return True
    level = torch._C._functorch.peek_interpreter_stack()
    if level is None:
        return False
    if level.key() != torch._C._functorch.TransformType.Vmap:
        raise RuntimeError(
            "splashgen's kernels cannot be differentiated by torch.func; use torch.autograd.grad."
        )
    return True


def transformed() -> bool:
    """Whether a transformation of torch.func is at work: tensors may then have a hidden dimension."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def probable(size: int | torch.SymInt) -> int | None:
    """The size that a graph is traced with, without tying the graph to it; None if there is no such size."""
    if not isinstance(size, torch.SymInt):
        return size
    node = size.node
    if not node.is_symbolic():
        return int(size)
    known = node.shape_env.size_hint(node.expr, allow_none=True)
    return None if known is None else int(known)

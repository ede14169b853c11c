"""`splashgen::attention`: the operator that callers see, made of one of two others."""

from typing import Any

import torch
from torch import Tensor

from splashgen.operators.arguments import SCHEMA, Arguments
from splashgen.operators.named import name_of
from splashgen.operators.recomputing import attention_keeping_nothing
from splashgen.operators.saving import attention_saving
from splashgen.operators.tracing import transformed

__all__ = ["attention_operator"]

torch.library.define("splashgen::attention", f"({SCHEMA}, str tables='') -> (Tensor, Tensor)")


@torch.library.impl("splashgen::attention", "CompositeImplicitAutograd")
def _attention(*inputs: Any) -> tuple[Tensor, Tensor]:
    """(out, τ). In a graph of torch.compile one finds the operator that this calls.

    The kernel is looked up here, while the graph is traced, and its name becomes part of the graph. The last
    argument, if there is one, says from which tables; it tells graphs apart and is not read.
    """
    given = Arguments(*inputs[: len(Arguments._fields)])
    if not _keeps(given):
        out, tau = attention_keeping_nothing(*given)
        return out, tau
    learned = given.alpha is not None and given.alpha.requires_grad
    kernel = given.kernel(training=True, learned=learned)
    out, tau, *_ = attention_saving(*given, name_of(kernel))
    return out, tau


def _keeps(given: Arguments) -> bool:
    """Whether what the backward pass needs is kept: only if there is one, and where its sizes are known."""
    differentiable = given.query, given.key, given.value, given.alpha
    wanted = any(tensor is not None and tensor.requires_grad for tensor in differentiable)
    if not (wanted and torch.is_grad_enabled()):
        return False
    # An exported program knows neither the device it will run on nor whether it will be trained.
    if torch.compiler.is_exporting() or transformed():
        return False
    return given.sizes_are_known() and not given.empty


attention_operator = torch.ops.splashgen.attention.default

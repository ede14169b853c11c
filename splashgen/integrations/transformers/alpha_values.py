"""What α of an attention module is: held in the module, or written in the config."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from splashgen.alpha import check_alpha
from splashgen.integrations.transformers.modules import layer_of
from splashgen.learned import learned_alpha, z_of

__all__ = ["DEFAULT", "LEARNED", "STATE", "AnnealedAlpha", "LearnedAlpha", "alpha_of"]

DEFAULT = 1.5
LEARNED = "learned"
"""The value of `config.splashgen_alpha` where α is a parameter."""
STATE = "splashgen_alpha"
"""The attribute of an attention module that holds an `AnnealedAlpha` or a `LearnedAlpha`."""


class AnnealedAlpha(nn.Module):
    """One α on the device, float32 whatever the model's dtype; filled in place, so nothing recompiles."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number
        self.value: Tensor
        self.register_buffer("value", torch.tensor(number, dtype=torch.float32), persistent=False)

    def _apply(self, fn: Any, recurse: bool = True) -> "AnnealedAlpha":
        super()._apply(fn, recurse)
        # model.bfloat16() would round α to three digits.
        self.value = torch.full_like(self.value, self.number, dtype=torch.float32)
        return self

    def forward(self) -> Tensor:
        return self.value


class LearnedAlpha(nn.Module):
    """One α a head, learned as `splashgen.learned` says."""

    def __init__(self, heads: int, start: float) -> None:
        super().__init__()
        self.z = nn.Parameter(torch.full((heads,), z_of(start)))

    def forward(self) -> Tensor:
        return learned_alpha(self.z)


def alpha_of(module: nn.Module) -> float | Tensor:
    """α of an attention module: what was installed in it, else `config.splashgen_alpha`, else 1.5.

    Raises
    ------
    ValueError
        If the config's value is none of: a number in [1.0001, 2], a list with one a layer, "learned" after
        `learn_alpha`.
    """
    state = getattr(module, STATE, None)
    if state is not None:
        value: Tensor = state()
        return value
    chosen = getattr(getattr(module, "config", None), "splashgen_alpha", DEFAULT)
    if chosen == LEARNED:
        raise ValueError(
            'config.splashgen_alpha is "learned", but the model has no parameters for it; call '
            "splashgen.integrations.transformers.learn_alpha(model) after building or loading it and before "
            "the optimizer is made."
        )
    if isinstance(chosen, (list, tuple)):
        return check_alpha(chosen[_index(module, chosen)])
    return check_alpha(chosen)


def _index(module: nn.Module, values: Sequence[float]) -> int:
    layer = layer_of(module)
    if layer is None or layer >= len(values):
        raise ValueError(
            f"config.splashgen_alpha has {len(values)} values, but the model asks for that of layer {layer}; "
            "give one value a layer, or a single number."
        )
    return layer

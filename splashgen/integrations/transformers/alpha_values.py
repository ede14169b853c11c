"""What α of an attention module is: held in the module, or written in the config."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from splashgen.alpha import check_alpha
from splashgen.integrations.transformers.modules import layer_of
from splashgen.learned import learned_alpha, z_of

__all__ = ["DEFAULT", "LEARNED", "STATE", "AnnealedAlpha", "LearnedAlpha", "alpha_of", "check_count"]

DEFAULT = 1.5
LEARNED = "learned"
"""The value of `config.splashgen_alpha` where α is a parameter."""
STATE = "splashgen_alpha"
"""The attribute of an attention module that holds an `AnnealedAlpha` or a `LearnedAlpha`."""
_ENTRY = "config.splashgen_alpha"
_COUNTS = ("num_hidden_layers", "encoder_layers", "decoder_layers", "num_decoder_layers")


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
        check_count(module, chosen, _ENTRY)
        return check_alpha(chosen[_index(module, chosen)], name=_ENTRY)
    if isinstance(chosen, bool) or not isinstance(chosen, (int, float)):
        raise TypeError(
            f"{_ENTRY} is {chosen!r}, but must be a number in [1.0001, 2], a list with one a layer, or "
            f'"{LEARNED}" after learn_alpha.'
        )
    return check_alpha(chosen, name=_ENTRY)


def check_count(module: nn.Module, values: Sequence[float], name: str) -> None:
    """Raise `ValueError` unless there is one value a layer; of two stacks the one with more layers counts."""
    config = getattr(module, "config", None)
    counts = [count for count in (getattr(config, one, None) for one in _COUNTS) if isinstance(count, int)]
    if counts and len(values) != max(counts):
        raise ValueError(
            f"{name} has {len(values)} values, but the model has {max(counts)} layers: the last of them is "
            f"layer {max(counts) - 1}; give one value a layer, or a single number."
        )


def _index(module: nn.Module, values: Sequence[float]) -> int:
    layer = layer_of(module)
    if layer is None or layer >= len(values):
        raise ValueError(
            f"{_ENTRY} has {len(values)} values, but the model asks for that of layer {layer}; "
            "give one value a layer, or a single number."
        )
    return layer

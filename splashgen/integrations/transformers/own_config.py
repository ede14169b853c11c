"""The config that α is written to: the model's own, because callers build several models from one."""

import copy
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from splashgen.integrations.transformers.modules import attention_modules
from splashgen.integrations.transformers.register import NAME

__all__ = ["entmax_modules", "take_own_config"]


def entmax_modules(model: nn.Module, function: str) -> list[tuple[str, nn.Module]]:
    """The attention modules of a whole model that heed α, by name, in order.

    Parameters
    ----------
    model : nn.Module
    function : str
        That asks, for its sentences.

    Raises
    ------
    ValueError
        If it is a part of a model, or one that runs with softmax.
    """
    found = [(name, module) for name, module in attention_modules(model)]
    if not any(isinstance(module, PreTrainedModel) for module in model.modules()):
        raise ValueError(
            f"{function} was given a {type(model).__name__}, a part of a model, whose config belongs to the "
            "whole; give the model itself, and for an α of each layer its own a list: "
            "fix_alpha(model, [1.5, 2.0])."
        )
    heeding = [(name, module) for name, module in found if _implementation(module) == NAME]
    if not heeding:
        raise ValueError(
            f"{function} was given a {type(model).__name__} with attn_implementation="
            f"{_implementation(found[0][1])!r}, which computes softmax and reads no α; call "
            f"model.set_attn_implementation({NAME!r}) first."
        )
    return heeding


def take_own_config(model: nn.Module) -> None:
    """Copy every config of a model, once for all of its modules that share it."""
    copies: dict[int, Any] = {}
    for module in model.modules():
        held = vars(module)
        for name, value in held.items():
            if isinstance(value, PretrainedConfig):
                # One memo for all: a part of a config stays the very part that modules hold by themselves.
                held[name] = copy.deepcopy(value, copies)


def _implementation(module: nn.Module) -> str | None:
    implementation: str | None = getattr(module.config, "_attn_implementation", None)
    return implementation

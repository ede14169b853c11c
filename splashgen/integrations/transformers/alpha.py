"""Setting α of a whole model: annealed from outside, fixed, or learned."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from splashgen.alpha import check_alpha
from splashgen.integrations.transformers.alpha_values import (
    DEFAULT,
    LEARNED,
    STATE,
    AnnealedAlpha,
    LearnedAlpha,
)
from splashgen.integrations.transformers.modules import attention_modules, is_softmax_layer, window_of

__all__ = ["fix_alpha", "learn_alpha", "set_alpha"]


def set_alpha(model: nn.Module, alpha: float) -> None:
    """Set α of every layer through a tensor on the device: the next change costs no compilation.

    Kernels read it at run time. Once it no longer changes, `fix_alpha` gives faster ones.

    Parameters
    ----------
    model : nn.Module
        A model of Transformers; wrappers around it do no harm.
    alpha : float
        In [1.0001, 2].
    """
    alpha = check_alpha(alpha)
    for _, module in attention_modules(model):
        state = getattr(module, STATE, None)
        if isinstance(state, AnnealedAlpha):
            state.number = alpha
            state.value.fill_(alpha)
        else:
            setattr(module, STATE, _beside(AnnealedAlpha(alpha), module))
        module.config.splashgen_alpha = alpha  # type: ignore[union-attr]


def fix_alpha(model: nn.Module, alpha: float | Sequence[float]) -> None:
    """Set α to a number, or one a layer, for good: kernels made for it take over."""
    values = [check_alpha(one) for one in alpha] if isinstance(alpha, Sequence) else check_alpha(alpha)
    for _, module in attention_modules(model):
        if hasattr(module, STATE):
            delattr(module, STATE)
        module.config.splashgen_alpha = values  # type: ignore[union-attr]


def learn_alpha(
    model: nn.Module, start: float = DEFAULT, checkpoint: str | Path | None = None
) -> list[nn.Parameter]:
    """Give every attention module one learned α a head, as parameters that `save_pretrained` keeps.

    Call it before the optimizer is made, and again after `from_pretrained`, which knows no such parameters.

    Parameters
    ----------
    model : nn.Module
        A model of Transformers.
    start : float
        Of α, in [1.0001, 2].
    checkpoint : path, optional
        A folder that `save_pretrained` wrote, to take the values from.

    Returns
    -------
    list of Parameter (heads,)
        z of `splashgen.learned.learned_alpha`, one a layer, for instance for a learning rate of their own.

    Raises
    ------
    FileNotFoundError, ValueError
        If the checkpoint has no such values, or α is not allowed.
    """
    start, states = check_alpha(start), {}
    for name, module in attention_modules(model):
        config: Any = module.config
        if hasattr(module, STATE):
            delattr(module, STATE)
        if is_softmax_layer(module, window_of(module)):
            continue
        states[name] = _beside(LearnedAlpha(config.num_attention_heads, start), module)
        setattr(module, STATE, states[name])
        config.splashgen_alpha = LEARNED
    if checkpoint is not None:
        _load(states, Path(checkpoint))
    return [state.z for state in states.values()]


def _beside(state: Any, module: nn.Module) -> Any:
    parameter = next(module.parameters(), None)
    return state if parameter is None else state.to(parameter.device)


def _load(states: dict[str, Any], folder: Path) -> None:
    from safetensors import safe_open

    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found |= {key: file.get_tensor(key) for key in file.keys() if key.endswith(f"{STATE}.z")}  # noqa: SIM118
    for name, state in states.items():
        # A head model's names begin with that of its base model, which may have been saved alone.
        keys = [
            key for key in found if key.endswith(f"{name}.{STATE}.z") or f"{name}.{STATE}.z".endswith(key)
        ]
        if not keys:
            raise FileNotFoundError(
                f"{folder} has no learned α for {name}; leave checkpoint out to begin anew."
            )
        with torch.no_grad():
            state.z.copy_(found[keys[0]])

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
    check_count,
)
from splashgen.integrations.transformers.modules import is_softmax_layer, window_of
from splashgen.integrations.transformers.own_config import entmax_modules, take_own_config

__all__ = ["fix_alpha", "learn_alpha", "set_alpha"]


def set_alpha(model: nn.Module, alpha: float) -> None:
    """Set α of every layer through a tensor on the device: the next change costs no compilation.

    Kernels read it at run time. Once it no longer changes, `fix_alpha` gives faster ones. The config follows,
    as the model's own: a config that other models were built from as well stays as it is.

    Parameters
    ----------
    model : nn.Module
        A whole model of Transformers; wrappers around it do no harm.
    alpha : float
        In [1.0001, 2].

    Raises
    ------
    ValueError
        If the model is only a part of one, runs with softmax, or α is not allowed.
    """
    alpha, modules = check_alpha(alpha), entmax_modules(model, "set_alpha")
    # Later calls write into the copy: another config in its place would compile a compiled model again.
    if not all(isinstance(getattr(module, STATE, None), AnnealedAlpha) for _, module in modules):
        take_own_config(model)
    for _, module in modules:
        state = getattr(module, STATE, None)
        if isinstance(state, AnnealedAlpha):
            state.number = alpha
            state.value.fill_(alpha)
        else:
            setattr(module, STATE, _beside(AnnealedAlpha(alpha), module))
        module.config.splashgen_alpha = alpha  # type: ignore[union-attr]


def fix_alpha(model: nn.Module, alpha: float | Sequence[float]) -> None:
    """Set α to a number, or one a layer, for good: kernels made for it take over.

    Parameters
    ----------
    model : nn.Module
        A whole model of Transformers, whose config becomes its own as in `set_alpha`.
    alpha : float or sequence of float
        In [1.0001, 2]; a sequence has one for each layer.

    Raises
    ------
    ValueError
        If the model is only a part of one, runs with softmax, has another number of layers, or α is not
        allowed.
    """
    modules = entmax_modules(model, "fix_alpha")
    if isinstance(alpha, Sequence) and not isinstance(alpha, str):
        values: Any = [check_alpha(one) for one in alpha]
        for _, module in modules:
            check_count(module, values, "alpha")
    else:
        values = check_alpha(alpha)
    take_own_config(model)
    for _, module in modules:
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
        A whole model of Transformers, whose config becomes its own as in `set_alpha`.
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
        If the checkpoint has no such values, the model is only a part of one or runs with softmax, or α is
        not allowed.
    """
    start, states, modules = check_alpha(start), {}, entmax_modules(model, "learn_alpha")
    take_own_config(model)
    for name, module in modules:
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

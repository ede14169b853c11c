"""α of a model's attention modules: from its config, annealed from outside, or learned."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from splashgen.alpha import check_alpha

__all__ = [
    "alpha_of",
    "attention_modules",
    "fix_alpha",
    "is_softmax_layer",
    "layer_of",
    "learn_alpha",
    "set_alpha",
]

_DEFAULT = 1.5
_LEARNED = "learned"
_STATE = "splashgen_alpha"


class AnnealedAlpha(nn.Module):
    """One α on the device, float32 whatever the model's dtype; it is filled in place, so nothing recompiles."""

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
    """One α a head, 1 + sigmoid(z) (Correia et al. 2019)."""

    def __init__(self, heads: int, start: float) -> None:
        super().__init__()
        # sigmoid(z) = α - 1 has no finite z at α = 2.
        z = math.log((start - 1.0) / max(2.0 - start, 1e-4))
        self.z = nn.Parameter(torch.full((heads,), z))

    def forward(self) -> Tensor:
        return 1.0 + self.z.float().sigmoid()


def alpha_of(module: nn.Module) -> float | Tensor:
    """α of an attention module: what was installed in it, else `config.splashgen_alpha`, else 1.5.

    Raises
    ------
    ValueError
        If the config's value is none of: a number in (1, 2], a list with one a layer, "learned" after
        `learn_alpha`.
    """
    state = getattr(module, _STATE, None)
    if state is not None:
        return state()  # type: ignore[no-any-return]
    value = getattr(getattr(module, "config", None), "splashgen_alpha", _DEFAULT)
    if value == _LEARNED:
        raise ValueError(
            'config.splashgen_alpha is "learned", but the model has no parameters for it; call '
            "splashgen.integrations.transformers.learn_alpha(model) after building or loading it and before "
            "the optimizer is made."
        )
    if isinstance(value, (list, tuple)):
        return check_alpha(value[_index(module, value)])
    return check_alpha(value)


def _index(module: nn.Module, values: Sequence[float]) -> int:
    layer = layer_of(module)
    if layer is None or layer >= len(values):
        raise ValueError(
            f"config.splashgen_alpha has {len(values)} values, but the model asks for that of layer {layer}; "
            "give one value a layer, or a single number."
        )
    return layer


def layer_of(module: nn.Module) -> int | None:
    """The number of the layer that an attention module belongs to, as Transformers counts."""
    layer = getattr(module, "layer_idx", getattr(module, "layer_id", None))
    return None if layer is None else int(layer)


def is_softmax_layer(module: nn.Module, sliding_window: int | None) -> bool:
    """Whether a layer keeps softmax: local ones do if `config.splashgen_local` is "softmax".

    Raises
    ------
    ValueError
        If it is neither "entmax", the default, nor "softmax".
    """
    choice = getattr(getattr(module, "config", None), "splashgen_local", "entmax")
    if choice not in ("entmax", "softmax"):
        raise ValueError(f"config.splashgen_local is {choice!r}, but must be 'entmax' or 'softmax'.")
    return choice == "softmax" and sliding_window is not None


def attention_modules(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules that call the attention function, by name, in order.

    Raises
    ------
    ValueError
        If there are none.
    """
    found = False
    for name, module in model.named_modules():
        marks = hasattr(module, "is_causal") or hasattr(module, "local_attention")
        if marks and hasattr(module, "config") and not isinstance(module, PreTrainedModel):
            found = True
            yield name, module
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no attention modules of Transformers' interface; α can be set where "
            "a model of Transformers runs with attn_implementation='splashgen'."
        )


def set_alpha(model: nn.Module, alpha: float) -> None:
    """Set α of every layer through a tensor on the device: the next change costs no compilation.

    Kernels read it at run time. Once it no longer changes, `fix_alpha` gives faster ones.

    Parameters
    ----------
    model : nn.Module
        A model of Transformers; wrappers around it do no harm.
    alpha : float
        In (1, 2].
    """
    alpha = check_alpha(alpha)
    for _, module in attention_modules(model):
        state = getattr(module, _STATE, None)
        if isinstance(state, AnnealedAlpha):
            state.number = alpha
            state.value.fill_(alpha)
        else:
            setattr(module, _STATE, _beside(AnnealedAlpha(alpha), module))
        module.config.splashgen_alpha = alpha  # type: ignore[union-attr]


def fix_alpha(model: nn.Module, alpha: float | Sequence[float]) -> None:
    """Set α to a number, or one a layer, for good: kernels made for it take over from those of `set_alpha`."""
    values = [check_alpha(one) for one in alpha] if isinstance(alpha, Sequence) else check_alpha(alpha)
    for _, module in attention_modules(model):
        if hasattr(module, _STATE):
            delattr(module, _STATE)
        module.config.splashgen_alpha = values  # type: ignore[union-attr]


def learn_alpha(
    model: nn.Module, start: float = _DEFAULT, checkpoint: str | Path | None = None
) -> list[nn.Parameter]:
    """Give every attention module one learned α a head, as parameters that `save_pretrained` keeps.

    Call it before the optimizer is made, and again after `from_pretrained`, which knows no such parameters.

    Parameters
    ----------
    model : nn.Module
        A model of Transformers.
    start : float
        Of α, in (1, 2].
    checkpoint : path, optional
        A folder that `save_pretrained` wrote, to take the values from.

    Returns
    -------
    list of Parameter (heads,)
        z of α = 1 + sigmoid(z), one a layer, for instance for a learning rate of their own.

    Raises
    ------
    FileNotFoundError, ValueError
        If the checkpoint has no such values, or α is not allowed.
    """
    start, states = check_alpha(start), {}
    for name, module in attention_modules(model):
        config: Any = module.config
        if hasattr(module, _STATE):
            delattr(module, _STATE)
        if is_softmax_layer(module, getattr(module, "sliding_window", None)):
            continue
        states[name] = _beside(LearnedAlpha(config.num_attention_heads, start), module)
        setattr(module, _STATE, states[name])
        config.splashgen_alpha = _LEARNED
    if checkpoint is not None:
        _load(states, Path(checkpoint))
    return [state.z for state in states.values()]


def _beside(state: Any, module: nn.Module) -> Any:
    parameter = next(module.parameters(), None)
    return state if parameter is None else state.to(parameter.device)


def _load(states: dict[str, Any], folder: Path) -> None:
    from safetensors import safe_open

    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found |= {key: file.get_tensor(key) for key in file.keys() if key.endswith(f"{_STATE}.z")}  # noqa: SIM118
    for name, state in states.items():
        # A head model's names begin with that of its base model, which may have been saved alone.
        keys = [key for key in found if key.endswith(f"{name}.{_STATE}.z") or f"{name}.{_STATE}.z".endswith(key)]
        if not keys:
            raise FileNotFoundError(
                f"{folder} has no learned α for {name}; leave checkpoint out to begin anew."
            )
        with torch.no_grad():
            state.z.copy_(found[keys[0]])

"""What the public functions refuse among masks and options, each with a sentence that says why."""

import torch

from splashgen.checks import told
from splashgen.request import Options
from splashgen.store.entry import Regime

__all__ = ["check_masks", "check_options", "regime_of"]


def check_masks(
    shape: tuple[int, int, int, int],
    device: torch.device,
    alibi_slopes: torch.Tensor | None,
    key_padding: torch.Tensor | None,
    attn_mask: torch.Tensor | None,
) -> None:
    """Biases and masks for scores of `shape` (batch, heads, n_q, n_k)."""
    batch, heads, n_q, n_k = shape
    named = {"alibi_slopes": alibi_slopes, "key_padding": key_padding, "attn_mask": attn_mask}
    for name, tensor in named.items():
        if tensor is None:
            continue
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"{name} must be a tensor or None, but is {told(tensor)}.")
        if tensor.device != device:
            raise ValueError(f"{name} is on {tensor.device}, but query is on {device}; move it there.")
        if tensor.requires_grad:
            raise ValueError(f"{name} requires a gradient, which is not computed; pass {name}.detach().")
    if alibi_slopes is not None:
        if not alibi_slopes.is_floating_point():
            raise TypeError(
                f"alibi_slopes must be a floating-point tensor, but has dtype {alibi_slopes.dtype}."
            )
        if tuple(alibi_slopes.shape) not in ((heads,), (batch, heads)):
            raise ValueError(
                f"alibi_slopes has shape {tuple(alibi_slopes.shape)}, but must have shape ({heads},) or "
                f"({batch}, {heads})."
            )
    if key_padding is not None:
        _check_padding(key_padding, batch, n_k)
    if attn_mask is not None:
        _check_mask(attn_mask, (batch, heads, n_q, n_k))


def check_options(options: Options) -> None:
    """The flags and numbers: two bools, a finite scale, two window sides, and no dropout.

    A plan is kept under all of them, so each has to be what equality tells apart: a tensor is not.
    """
    for name in ("is_causal", "enable_gqa"):
        if not isinstance(getattr(options, name), bool):
            raise TypeError(
                f"{name} must be a bool, but is {told(getattr(options, name))}; bool() makes one."
            )
    scale, dropout_p = options.scale, options.dropout_p
    if scale is not None and not _is_number(scale):
        raise TypeError(f"scale must be a number or None (1/√head_dim), but is {told(scale)}.")
    if scale is not None and not -float("inf") < scale < float("inf"):
        raise ValueError(f"scale must be finite, but is {scale!r}.")
    _check_window(options.window_size)
    if not _is_number(dropout_p):
        raise TypeError(f"dropout_p must be a number, and 0, but is {told(dropout_p)}.")
    if dropout_p != 0.0:
        raise ValueError(
            f"dropout_p is {dropout_p!r}, but dropout on the probabilities is not supported: entmax already "
            "drops most of them, exactly; apply torch.nn.functional.dropout to the output instead."
        )


def regime_of(sparsity: object) -> Regime:
    """The regime that the caller expects: `dense`, `mixed` or `sparse`; None is the mixture."""
    if sparsity is None:
        return Regime.MIXED
    try:
        return Regime(sparsity)  # type: ignore[arg-type]
    except ValueError:
        raise ValueError(
            f"sparsity must be None, 'dense', 'mixed' or 'sparse', but is {sparsity!r}; it chooses the "
            "config, never the result."
        ) from None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, torch.SymFloat)) and not isinstance(value, bool)


def _check_window(window_size: object) -> None:
    allowed = "window_size must be (left, right), two ints of at least -1 (-1 is unlimited)"
    if not isinstance(window_size, (tuple, list)) or any(
        isinstance(side, bool) or not isinstance(side, int) for side in window_size
    ):
        raise TypeError(f"{allowed}, but is {told(window_size)}.")
    if len(window_size) != 2 or min(window_size) < -1:
        raise ValueError(f"{allowed}, but is {window_size!r}.")


def _check_padding(key_padding: torch.Tensor, batch: int, n_k: int) -> None:
    shape = tuple(key_padding.shape)
    if key_padding.dtype == torch.bool:
        if shape != (batch, n_k):
            raise ValueError(
                f"key_padding has shape {shape}, but must be ({batch}, {n_k}), True where a key exists."
            )
    elif key_padding.is_floating_point() or key_padding.is_complex():
        raise TypeError(f"key_padding must be bool or integer lengths, but has dtype {key_padding.dtype}.")
    elif shape != (batch,):
        raise ValueError(
            f"key_padding has shape {shape}: integer lengths must be ({batch},); pass a bool tensor "
            f"({batch}, {n_k}) to say which keys exist."
        )


def _check_mask(attn_mask: torch.Tensor, shape: tuple[int, int, int, int]) -> None:
    if attn_mask.dtype != torch.bool:
        raise ValueError(
            f"attn_mask has dtype {attn_mask.dtype}, but must be bool, True where a score exists; for a bias "
            "that grows with distance pass alibi_slopes, for a mask of 0 and -inf pass `mask == 0`."
        )
    sizes = tuple(attn_mask.shape)
    fits = len(sizes) <= 4 and all(
        ours in (1, size) for ours, size in zip(sizes[::-1], shape[::-1], strict=False)
    )
    if not fits:
        raise ValueError(f"attn_mask has shape {sizes}, which cannot be broadcast to {shape}.")

"""What is refused for the values of tensors: on a CPU alone, where a look at them waits for no device.

On a GPU nothing is read. There an α outside its range gives numbers without meaning, and so do rows beyond
the last packed sequence and sequences longer than was said.
"""

import itertools

import torch

from splashgen.alpha import LEAST_ALPHA
from splashgen.features import Packed

__all__ = ["check_values"]

_SHOWN = 8
"""Numbers of a list that an error message shows at most."""


def check_values(rows: tuple[int, int], alpha: object, packed: Packed | None) -> None:
    """Refuse what tensors on a CPU hold, with `ValueError`.

    Parameters
    ----------
    rows : tuple of int
        Of the packed query and key; of no meaning without `packed`.
    """
    if isinstance(alpha, torch.Tensor):
        values = alpha.detach()
        if not bool(((values >= LEAST_ALPHA) & (values <= 2.0)).all()):
            told = _told(values.flatten().tolist())
            raise ValueError(f"alpha holds {told}, but every value must lie in [{LEAST_ALPHA:g}, 2].")
    if packed is not None:
        for side, total, offsets, longest in zip("qk", rows, packed[:2], packed[2:], strict=True):
            _check_offsets(side, total, offsets.tolist(), longest)


def _check_offsets(side: str, total: int, begins: list[int], longest: int) -> None:
    lengths = [end - begin for begin, end in itertools.pairwise(begins)]
    if begins[0] != 0 or begins[-1] != total or min(lengths, default=0) < 0:
        raise ValueError(
            f"cu_seqlens_{side} is {_told(begins)}, but must rise from 0 to {total}, the rows of {side}."
        )
    if max(lengths, default=0) > longest:
        raise ValueError(
            f"max_seqlen_{side} is {longest}, but the longest sequence of cu_seqlens_{side} has "
            f"{max(lengths)} rows; it must be at least that."
        )


def _told(values: list[float] | list[int]) -> str:
    if len(values) <= _SHOWN:
        return str(values)
    return f"[{', '.join(map(str, values[: _SHOWN - 1]))}, ..., {values[-1]}]"

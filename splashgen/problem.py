"""`Problem`: what is computed. All that changes the result is here, nothing that only changes speed."""

from dataclasses import dataclass, fields, replace
from enum import StrEnum

from splashgen.alpha import AlphaClass

__all__ = ["MAX_HEAD_DIM", "DType", "Operation", "Problem", "dtype_named", "length_bucket"]

MAX_HEAD_DIM = 256
"""Of query and key, and of value: wider heads are refused."""


class Operation(StrEnum):
    """The operations that kernels are generated for."""

    ATTENTION = "attention"
    ENTMAX = "entmax"


class DType(StrEnum):
    """The element types, by torch's names."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


def dtype_named(name: object, argument: str = "dtype") -> DType:
    """The element type that a name or a `torch.dtype` stands for.

    Raises
    ------
    ValueError
        If there is none; the sentence names the argument.
    """
    text, kinds = str(name).removeprefix("torch."), [kind.value for kind in DType]
    if text not in kinds:
        raise ValueError(f"{argument} is {name!r}, but must be one of {', '.join(kinds)}.")
    return DType(text)


def length_bucket(length: int) -> int:
    """The power of two at or above `length`: configs are looked up by it, kernels do not depend on it."""
    return 1 << max(length - 1, 0).bit_length()


@dataclass(frozen=True, slots=True)
class Problem:
    """One computation, as the renderer, the tuner and the dispatcher know it.

    `semantics()` leaves out `seq_len`: it names everything the rendered code depends on.

    >>> Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, seq_len=1000).bucketed().seq_len
    1024
    """

    operation: Operation
    alpha: AlphaClass
    dtype: DType
    seq_len: int
    """Elements a row (entmax), or the longer of query and key length (attention)."""
    head_dim: int = 0
    """Of query and key; 0 for entmax."""
    value_dim: int = 0
    """Head dim of value; 0 for entmax."""
    training: bool = True
    """Whether what the backward pass needs is computed and kept."""
    causal: bool = False
    """Query i sees keys up to i + n_k - n_q (aligned to the bottom right, as flash-attn does)."""
    window: bool = False
    """A sliding window, its two sides given at run time."""
    alibi: bool = False
    """Adds -slope·|i + n_k - n_q - j| to the scores."""
    key_padding: bool = False
    """A boolean (batch, key length) tensor says which keys exist."""
    attn_mask: bool = False
    """A boolean tensor says which scores exist."""
    varlen: bool = False
    """Sequences are packed: (total, heads, head_dim) with cumulative lengths."""
    grouped: bool = False
    """Several query heads share one key/value head."""
    learned_alpha: bool = False
    """The backward pass also returns the gradient of α (generic α only)."""

    def __post_init__(self) -> None:
        for name, kind in (("operation", Operation), ("alpha", AlphaClass), ("dtype", DType)):
            if not isinstance(getattr(self, name), kind):
                raise TypeError(
                    f"{name} must be a member of {kind.__name__}, but is {getattr(self, name)!r}."
                )
        for name in ("seq_len", "head_dim", "value_dim"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} must be a non-negative int, but is {value!r}.")
        for name in FLAGS:
            if type(getattr(self, name)) is not bool:
                raise TypeError(f"{name} must be a bool, but is {getattr(self, name)!r}.")
        if self.learned_alpha and self.alpha is not AlphaClass.GENERIC:
            raise ValueError(f"learned_alpha needs the generic alpha, but alpha is {self.alpha.value!r}.")

    def semantics(self) -> "Problem":
        """The problem without its length: two problems with the same semantics share rendered code."""
        return replace(self, seq_len=0)

    def bucketed(self) -> "Problem":
        """The problem at its length bucket: what files hold entries for, masks included."""
        return replace(self, seq_len=length_bucket(self.seq_len))

    def as_dict(self) -> dict[str, str | int | bool]:
        """Plain values in the order of the fields, without the fields that are off or unused."""
        plain: dict[str, str | int | bool] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("operation", "alpha", "dtype", "seq_len", "training"):
                plain[field.name] = value.value if isinstance(value, StrEnum) else value
            elif value:
                plain[field.name] = value
        return plain

    def __str__(self) -> str:
        parts = [self.operation.value, f"alpha={self.alpha.value}", self.dtype.value]
        if self.head_dim:
            dims = (
                str(self.head_dim) if self.value_dim == self.head_dim else f"{self.head_dim}/{self.value_dim}"
            )
            parts.append(f"head_dim={dims}")
        if self.seq_len:
            parts.append(f"seq_len={self.seq_len}")
        parts += [name for name in FLAGS if name != "training" and getattr(self, name)]
        parts.append("training" if self.training else "inference")
        return " ".join(parts)


FLAGS = tuple(field.name for field in fields(Problem) if field.type in (bool, "bool"))

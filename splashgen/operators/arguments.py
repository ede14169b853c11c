"""The arguments of the attention operators: one list of them, and what a kernel makes of it."""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from splashgen.alpha import AlphaClass
from splashgen.dispatch import kernel_for
from splashgen.features import (
    Packed,
    alpha_tensor,
    attention_problem,
    feature_arguments,
    precise,
    tau_of_nothing,
)
from splashgen.kernel import Kernel
from splashgen.operators.tracing import probable
from splashgen.store.entry import Regime

__all__ = ["SCHEMA", "Arguments", "empty_outputs"]

SCHEMA = (
    "Tensor query, Tensor key, Tensor value, Tensor? alpha, Tensor? alibi_slopes, Tensor? key_padding, "
    "Tensor? attn_mask, Tensor? cu_seqlens_q, Tensor? cu_seqlens_k, float alpha_number, float scale, "
    "bool causal, SymInt window_left, SymInt window_right, SymInt max_seqlen_q, SymInt max_seqlen_k, "
    "str regime"
)
"""The fields of `Arguments` as torch writes them."""


class Arguments(NamedTuple):
    """What the operators of attention take, checked: tensors first, as autograd keeps them."""

    query: Tensor
    key: Tensor
    value: Tensor
    alpha: Tensor | None
    """None where `alpha_number` says it."""
    alibi_slopes: Tensor | None
    key_padding: Tensor | None
    attn_mask: Tensor | None
    cu_seqlens_q: Tensor | None
    cu_seqlens_k: Tensor | None
    alpha_number: float
    scale: float
    causal: bool
    window_left: int
    window_right: int
    max_seqlen_q: int
    max_seqlen_k: int
    regime: str

    @property
    def tensors(self) -> tuple[Tensor | None, ...]:
        """The first nine."""
        return self[:9]

    @property
    def others(self) -> tuple[Any, ...]:
        """The rest: numbers and words."""
        return self[9:]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to compute."""
        return self.query.numel() == 0 or self.key.numel() == 0

    @property
    def packed(self) -> Packed | None:
        """The offsets and the longest lengths of packed sequences."""
        if self.cu_seqlens_q is None or self.cu_seqlens_k is None:
            return None
        return self.cu_seqlens_q, self.cu_seqlens_k, self.max_seqlen_q, self.max_seqlen_k

    def sizes_are_known(self) -> bool:
        """Whether the trace has an example of every size."""
        tensors = (tensor for tensor in self.tensors if tensor is not None)
        sizes = [size for tensor in tensors for size in tensor.shape]
        return None not in map(probable, (*sizes, self.max_seqlen_q, self.max_seqlen_k))

    def kernel(self, *, training: bool, learned: bool) -> Kernel:
        """The kernel that dispatch picks, in a trace for the lengths that it is traced with.

        Parameters
        ----------
        training : bool
            Whether a backward pass follows.
        learned : bool
            Whether it also gives the gradient of α.
        """
        kind = AlphaClass.GENERIC if self.alpha is not None else AlphaClass.of(self.alpha_number)
        packed = self.packed and (*self.packed[:2], *map(probable, self.packed[2:]))
        # Heads are compared as the symbols that they may be: the graph then holds where the answer holds.
        grouped = bool(self.query.shape[1] != self.key.shape[1])
        query, key, value = (_Example.of(tensor) for tensor in (self.query, self.key, self.value))
        problem = attention_problem(
            cast(Tensor, query),
            cast(Tensor, key),
            cast(Tensor, value),
            kind,
            training=training,
            causal=self.causal,
            window_size=(self.window_left, self.window_right),
            alibi=self.alibi_slopes is not None,
            key_padding=self.key_padding is not None,
            attn_mask=self.attn_mask is not None,
            packed=cast(Any, packed),
            learned_alpha=learned,
        )
        assert problem.grouped is grouped
        return kernel_for(problem, self.query.device, Regime(self.regime))

    def features(self) -> dict[str, Any]:
        """The keyword arguments of the kernel."""
        shape = (0, 0, 0, 0) if self.packed else (*self.query.shape[:3], self.key.shape[2])
        masks = {name: getattr(self, name) for name in ("alibi_slopes", "key_padding", "attn_mask")}
        window_size = self.window_left, self.window_right
        features = feature_arguments(
            cast(Any, shape), window_size, **masks, packed=self.packed, precision=precise(self.query)
        )
        if self.alpha is not None or AlphaClass.of(self.alpha_number) is AlphaClass.GENERIC:
            number = self.alpha_number if self.alpha is None else self.alpha
            features["alpha"] = alpha_tensor(number, self.query)
        return features


class _Example(NamedTuple):
    """As much of a tensor as a problem depends on, in plain numbers."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, tensor: Tensor) -> "_Example":
        """Code depends on the head dim, so that a graph is tied to it; to no other size."""
        sizes = [probable(size) for size in tensor.shape[:-1]]
        return cls((*cast(list[int], sizes), int(tensor.shape[-1])), tensor.dtype, tensor.device)


def empty_outputs(given: Arguments) -> tuple[Tensor, Tensor]:
    """Zeros, and a τ of +inf."""
    query = given.query
    tau = tau_of_nothing(query, given.packed is not None)
    return query.new_zeros((*query.shape[:-1], given.value.shape[-1])), tau

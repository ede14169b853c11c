"""Modules: multi-head α-entmax attention with learned α and scalable logits."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from splashgen.alpha import check_alpha
from splashgen.functional import attention
from splashgen.learned import learned_alpha, z_of

__all__ = ["EntmaxAttention", "nape_slopes"]


def nape_slopes(heads: int) -> Tensor:
    """ALiBi slopes for half of the heads, none for the others (the idea of NAPE, Vasylenko et al. 2025).

    That half of the heads go without is theirs; the harmonic slopes of the others are our choice.

    Returns
    -------
    Tensor (heads,)
        float32: 0 in the first half, then 1, 1/2, 1/3, ...
    """
    free = heads // 2
    return torch.cat([torch.zeros(free), 1.0 / torch.arange(1, heads - free + 1)])


class EntmaxAttention(nn.Module):
    """Multi-head attention with α-entmax in place of softmax.

    Parameters
    ----------
    embed_dim : int
        Width of the input and output.
    num_heads : int
        Query heads; `embed_dim` must be a multiple.
    num_kv_heads : int, optional
        Key and value heads; as many as query heads if left out.
    alpha : float
        In [1.0001, 2]; the start value where it is learned.
    learn_alpha : bool
        One α a head, as 1.0001 + 0.9999·sigmoid(z) (`splashgen.learned`).
    scalable : bool
        Multiply the scores of each head by δ + β·(log n)^γ, n the number of keys, with learned δ, β and γ
        (ASEntmax, Vasylenko et al. 2025): attention stays sharp where sequences are longer than in training.
    nape : bool
        Give half of the heads ALiBi slopes (`nape_slopes`).
    bias : bool
        Whether the projections have one.
    device, dtype : optional
        Of the parameters.

    Raises
    ------
    ValueError
        If the widths cannot be divided, or α is not allowed.

    Examples
    --------
    >>> import torch
    >>> layer = EntmaxAttention(64, 4, learn_alpha=True)
    >>> layer(torch.randn(2, 10, 64), is_causal=True).shape
    torch.Size([2, 10, 64])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        num_kv_heads: int | None = None,
        alpha: float = 1.5,
        learn_alpha: bool = False,
        scalable: bool = False,
        nape: bool = False,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"embed_dim is {embed_dim}, but must be a multiple of num_heads, {num_heads}.")
        if kv_heads < 1 or num_heads % kv_heads:
            raise ValueError(f"num_heads is {num_heads}, but must be a multiple of num_kv_heads, {kv_heads}.")
        self.num_heads, self.num_kv_heads = num_heads, kv_heads
        self.head_dim = embed_dim // num_heads
        self._alpha = check_alpha(alpha)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.query = nn.Linear(embed_dim, embed_dim, bias, **made)
        self.key = nn.Linear(embed_dim, kv_heads * self.head_dim, bias, **made)
        self.value = nn.Linear(embed_dim, kv_heads * self.head_dim, bias, **made)
        self.output = nn.Linear(embed_dim, embed_dim, bias, **made)
        start = torch.full((num_heads,), z_of(self._alpha), device=device)
        self.z = nn.Parameter(start) if learn_alpha else None
        names = ("delta", "beta", "gamma") if scalable else ()
        starts = {"delta": 1.0, "beta": 0.0, "gamma": 1.0}
        self.scaling = nn.ParameterDict(
            {name: nn.Parameter(torch.full((num_heads,), starts[name], device=device)) for name in names}
        )
        self.register_buffer("slopes", nape_slopes(num_heads).to(device) if nape else None)
        self.slopes: Tensor | None

    @property
    def alpha(self) -> float | Tensor:
        """α of the next call: the number it was given, or (heads,) in float32 of what is learned."""
        return self._alpha if self.z is None else learned_alpha(self.z)

    @alpha.setter
    def alpha(self, value: float) -> None:
        if self.z is not None:
            raise ValueError(
                f"alpha is set to {value!r}, but is learned in this layer; change its parameter z, or build "
                "the layer with learn_alpha=False."
            )
        self._alpha = check_alpha(value)

    def extra_repr(self) -> str:
        """Heads, α and the options that differ from the defaults, as `print` shows them."""
        alpha: Any = self._alpha
        if self.z is not None and not self.z.is_meta:
            alpha = [round(one, 4) for one in learned_alpha(self.z).tolist()]
        kept = {
            "num_kv_heads": self.num_kv_heads if self.num_kv_heads != self.num_heads else None,
            "alpha": alpha,
            "learn_alpha": self.z is not None or None,
            "scalable": bool(self.scaling) or None,
            "nape": self.slopes is not None or None,
        }
        told = [f"{name}={value}" for name, value in kept.items() if value is not None]
        return ", ".join([f"{self.query.in_features}", f"{self.num_heads}", *told])

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        is_causal: bool = False,
        window_size: tuple[int, int] = (-1, -1),
        key_padding: Tensor | None = None,
        attn_mask: Tensor | None = None,
    ) -> Tensor:
        """Attend from `x` to `context`, or to itself.

        Parameters
        ----------
        x : Tensor (batch, n_q, embed_dim)
        context : Tensor (batch, n_k, embed_dim), optional

        The others are those of `splashgen.attention`.

        Returns
        -------
        Tensor (batch, n_q, embed_dim)

        Raises
        ------
        ValueError
            If `x` or `context` has another shape, and where `splashgen.attention` raises it.
        """
        self._check("x", x)
        if context is not None:
            self._check("context", context)
        context = x if context is None else context
        query = self._heads(self.query(x), self.num_heads)
        key = self._heads(self.key(context), self.num_kv_heads)
        value = self._heads(self.value(context), self.num_kv_heads)
        if self.scaling:
            query = query * self._sharpness(key.shape[2]).to(query.dtype)[:, None, None]
        out: Tensor = attention(
            query,
            key,
            value,
            alpha=self.alpha,
            is_causal=is_causal,
            enable_gqa=self.num_kv_heads != self.num_heads,
            window_size=window_size,
            alibi_slopes=self.slopes,
            key_padding=key_padding,
            attn_mask=attn_mask,
        )
        result: Tensor = self.output(out.transpose(1, 2).flatten(2))
        return result

    def _check(self, name: str, tensor: Tensor) -> None:
        width = self.query.in_features
        if tensor.dim() != 3 or tensor.shape[2] != width:
            raise ValueError(
                f"{name} has shape {tuple(tensor.shape)}, but must have (batch, seq, {width}); "
                f"{name}[None] makes a batch of one sequence."
            )

    def _heads(self, projected: Tensor, heads: int) -> Tensor:
        return projected.unflatten(-1, (heads, self.head_dim)).transpose(1, 2)

    def _sharpness(self, keys: int) -> Tensor:
        """δ + β·(log n)^γ for each head; log n is kept off 0, where a power has no gradient."""
        log_keys = math.log(max(keys, 2))
        return self.scaling["delta"] + self.scaling["beta"] * log_keys ** self.scaling["gamma"]

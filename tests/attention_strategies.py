"""Whole attention calls, drawn by hypothesis: what is computed, and on which lengths, strides and numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from hypothesis import strategies as st

from splashgen.alpha import AlphaClass

Choose = Callable[[Sequence[Any]], Any]

SPECIAL = [member.alpha for member in AlphaClass if member.alpha]


@dataclass(frozen=True)
class Semantics:
    """What a kernel is generated for."""

    dtype: str
    alpha: str
    """`special`, `float`, `tensor`, `heads` (a tensor with one value a head) or `learned`."""
    special: float
    head_dim: int
    value_dim: int
    grouped: bool
    is_causal: bool
    window: bool
    alibi: bool
    padding: str
    """`none`, `mask` or `lengths`."""
    mask: bool
    packed: bool


@dataclass
class Call:
    """Arguments of `splashgen.attention`, or `attention_varlen` where `packed`, and the output's gradient."""

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    dout: torch.Tensor
    packed: tuple[torch.Tensor, torch.Tensor, int, int] | None
    options: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Short enough for a failure's report."""
        shapes = ", ".join(
            f"{name}={tuple(t.shape)}/{t.stride()}" for name, t in vars(self).items() if name in "qkv"
        )
        packed = "" if self.packed is None else f", {[o.tolist() for o in self.packed[:2]]}"
        told = {
            name: f"{tuple(value.shape)} {value.dtype}" if isinstance(value, torch.Tensor) else value
            for name, value in self.options.items()
        }
        return f"{self.q.dtype} {shapes}{packed} {told}"


def draw_semantics(choose: Choose, dtypes: Sequence[str]) -> Semantics:
    """One of all problems; `choose` picks from a sequence."""
    packed = choose([False, False, True])
    head_dim = choose([16, 32, 64, 7, 20, 80, 112])
    return Semantics(
        dtype=choose(dtypes),
        alpha=choose(["special", "float", "tensor", "heads", "learned"]),
        special=choose(SPECIAL),
        head_dim=head_dim,
        value_dim=choose([head_dim, head_dim, 16, 24, 96]),
        grouped=choose([False, True]),
        is_causal=choose([False, True]),
        window=choose([False, True]),
        alibi=choose([False, True]),
        padding="none" if packed else choose(["none", "mask", "lengths"]),
        mask=False if packed else choose([False, False, True]),
        packed=packed,
    )


@st.composite
def semantics(draw: st.DrawFn, dtypes: Sequence[str]) -> Semantics:
    """`draw_semantics` by hypothesis."""
    return draw_semantics(lambda options: draw(st.sampled_from(options)), dtypes)


@st.composite
def calls(draw: st.DrawFn, of: st.SearchStrategy[Semantics], longest: int, device: torch.device) -> Call:
    """Lengths from 1 to `longest`, few heads and batches, any strides, scores of any size up to about 50
    (with an ALiBi bias up to the length more)."""
    meaning = draw(of)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    lengths = st.integers(1, longest)
    kv_heads, batch = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    heads = kv_heads * (draw(st.integers(2, 3)) if meaning.grouped else 1)
    n_q = draw(lengths)
    n_k = draw(st.one_of(st.just(n_q), lengths))
    packed = _packed(draw, n_q, n_k, device) if meaning.packed else None
    rows = len(packed[0]) - 1 if packed else batch
    gain = draw(st.sampled_from([0.1, 1.0, 2.0, 6.0, 12.0]))
    layout = draw(st.sampled_from(["heads first", "lengths first", "sliced"]))
    if packed:
        batch = 1

    def normal(of_heads: int, length: int, dim: int, size: float = 1.0) -> torch.Tensor:
        tensor = torch.randn(batch, of_heads, length, dim, generator=generator) * size
        tensor = _laid_out(tensor.to(device, getattr(torch, meaning.dtype)), layout)
        return tensor[0].transpose(0, 1) if packed else tensor

    call = Call(
        normal(heads, n_q, meaning.head_dim, gain),
        normal(kv_heads, n_k, meaning.head_dim),
        normal(kv_heads, n_k, meaning.value_dim),
        normal(heads, n_q, meaning.value_dim),
        packed,
        {
            "is_causal": meaning.is_causal,
            "enable_gqa": meaning.grouped,
            "alpha": _alpha(draw, meaning, heads, device),
        },
    )
    if draw(st.booleans()):
        call.options["scale"] = draw(st.sampled_from([0.05, 0.3, -0.1]))
    if meaning.window:
        side = st.one_of(st.just(-1), st.integers(0, longest))
        call.options["window_size"] = (draw(side), draw(side))
    if meaning.alibi:
        shape = draw(st.sampled_from([(heads,), (rows, heads)]))
        call.options["alibi_slopes"] = torch.rand(shape, generator=generator).to(device)
    if meaning.padding == "mask":
        call.options["key_padding"] = (torch.rand(batch, n_k, generator=generator) < 0.7).to(device)
    elif meaning.padding == "lengths":
        drawn = draw(st.lists(st.integers(0, n_k), min_size=batch, max_size=batch))
        call.options["key_padding"] = torch.tensor(drawn, device=device)
    if meaning.mask:
        shape = [draw(st.sampled_from([1, size])) for size in (batch, heads, n_q, n_k)]
        call.options["attn_mask"] = (torch.rand(shape, generator=generator) < 0.7).to(device)
    return call


def _packed(
    draw: st.DrawFn, n_q: int, n_k: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, int, int]:
    """Up to four sequences, some perhaps empty."""
    cuts = draw(st.integers(0, 3))

    def offsets(total: int) -> torch.Tensor:
        inner = draw(st.lists(st.integers(0, total), min_size=cuts, max_size=cuts))
        return torch.tensor([0, *sorted(inner), total], dtype=torch.int32)

    of_q, of_k = offsets(n_q), offsets(n_k)
    slack = draw(st.integers(0, 40))
    longest = (int(of_q.diff().max()) + slack, int(of_k.diff().max()) + slack)
    return of_q.to(device), of_k.to(device), *longest


def _laid_out(tensor: torch.Tensor, layout: str) -> torch.Tensor:
    if layout == "lengths first":
        return tensor.transpose(1, 2).contiguous().transpose(1, 2)
    if layout == "sliced":
        wide = torch.empty(*tensor.shape[:-1], tensor.shape[-1] + 5, dtype=tensor.dtype, device=tensor.device)
        wide[..., 2:-3] = tensor
        return wide[..., 2:-3]
    return tensor


def _alpha(draw: st.DrawFn, meaning: Semantics, heads: int, device: torch.device) -> float | torch.Tensor:
    if meaning.alpha == "special":
        return meaning.special
    value = st.floats(1.02, 2.0).filter(lambda alpha: AlphaClass.of(alpha) is AlphaClass.GENERIC)
    if meaning.dtype != "float64":
        value = value.map(lambda alpha: torch.tensor(alpha).item())  # kernels read it in float32
    if meaning.alpha == "float":
        return draw(value)
    several = meaning.alpha == "heads" or (meaning.alpha == "learned" and draw(st.booleans()))
    values = draw(st.lists(value, min_size=heads, max_size=heads)) if several else draw(value)
    dtype = torch.float64 if meaning.dtype == "float64" else torch.float32
    return torch.tensor(values, dtype=dtype, device=device, requires_grad=meaning.alpha == "learned")

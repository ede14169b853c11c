"""Attention on the CPU against the float64 truth: every α, every mask, and what must not be touched."""

import math
import re
from typing import Any

import pytest
import torch
from kernel_checks import errors, kernel_of, problem_of
from torch.utils._python_dispatch import TorchDispatchMode

from splashgen import reference
from splashgen.alpha import AlphaClass
from splashgen.families import family_named
from splashgen.gpu import CPU
from splashgen.problem import DType, Operation
from splashgen.render import render

FAMILY = "attention_torch"
FEATURES = ["causal", "window", "alibi", "key_padding", "attn_mask", "varlen", "grouped"]
COMPOSED = [
    *((feature,) for feature in FEATURES),
    (),
    ("causal", "window", "alibi", "grouped"),
    ("causal", "key_padding", "alibi"),
    ("window", "key_padding", "attn_mask", "grouped"),
    ("causal", "varlen", "grouped", "alibi"),
    ("window", "varlen", "key_padding", "attn_mask"),
    ("causal", "window", "alibi", "key_padding", "attn_mask", "grouped"),
]


def problem(alpha: str = "1.5", dtype: str = "float64", seq_len: int = 70, **rest: Any):
    return problem_of(Operation.ATTENTION, alpha, dtype, seq_len, **rest)


def tensors(heads: int, n_q: int, n_k: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(n_q * 1000 + n_k)
    shapes = ((1, heads, n_q, 16), (1, heads, n_k, 16), (1, heads, n_k, 24), (1, heads, n_q, 24))
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]


@pytest.mark.parametrize("alpha", [member.value for member in AlphaClass])
@pytest.mark.parametrize("solver", ["norm", "bisection"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 5e-6)])
def test_every_alpha(alpha: str, solver: str, dtype: str, tolerance: float) -> None:
    p = problem(alpha, dtype, causal=True)
    for gather in (False, True):
        kernel = kernel_of(FAMILY, p, solver=solver, gather=gather, block_m=16)
        for workload in ("gaussian", "gaussian6", "ragged", "ties"):
            for name, value in errors(kernel, p, workload).items():
                assert value < tolerance, (gather, workload, name)


@pytest.mark.parametrize("alpha", ["2", "1.5", "generic"])
@pytest.mark.parametrize("features", COMPOSED, ids=lambda features: "-".join(features) or "full")
def test_every_mask(features: tuple[str, ...], alpha: str) -> None:
    learned = {"learned_alpha": True} if alpha == "generic" else {}
    p = problem(alpha, **dict.fromkeys(features, True), **learned)
    kernel = kernel_of(FAMILY, p, block_m=16, heads=2)
    for workload in ("gaussian6", "ragged"):
        for seed in range(2):
            for name, value in errors(kernel, p, workload, seed).items():
                # α is float32, and so is its gradient.
                assert value < (1e-6 if name == "dalpha" else 1e-11), (value, workload, seed, name)


@pytest.mark.parametrize("block_m", [16, 256])
@pytest.mark.parametrize("heads", [1, 8])
def test_tiles_do_not_change_the_result(block_m: int, heads: int) -> None:
    p = problem(grouped=True, causal=True, seq_len=150)
    kernel = kernel_of(FAMILY, p, block_m=block_m, heads=heads)
    assert max(errors(kernel, p, "ragged").values()) < 1e-12


@pytest.mark.parametrize("alpha", ["2", "1.5", "4/3", "1.2"])
def test_float32_scores_up_to_50(alpha: str) -> None:
    p = problem(alpha, "float32", 200, head_dim=64, value_dim=64)
    q, k, v, _ = (torch.randn(1, 2, 200, 64, generator=torch.Generator().manual_seed(s)) for s in range(4))
    q *= 50.0 / (q @ k.mT).abs().max() * 8.0
    out, (tau,) = kernel_of(FAMILY, p).forward(q, k, v, 0.125)
    truth = reference.attention(q, k, v, alpha=p.alpha.alpha, scale=0.125)
    assert (out - truth).norm() <= 1e-5 * truth.norm()
    assert tau.dtype == torch.float32


def test_tau_is_saved_in_units_of_z() -> None:
    q, k, v, _ = tensors(2, 30, 20)
    out, saved = kernel_of(FAMILY, problem(causal=True)).forward(q, k, v, 0.3)
    truth, tau = reference.attention(q, k, v, alpha=1.5, scale=0.3, is_causal=True, return_tau=True)
    torch.testing.assert_close(out, truth)
    torch.testing.assert_close(saved[0], tau)
    assert torch.all(out[:, :, :10] == 0.0) and torch.all(saved[0][:, :, :10] == math.inf)


@pytest.mark.parametrize(
    ("alpha", "features"),
    [
        ("2", {}),
        ("1.5", {"causal": True, "grouped": True}),
        ("4/3", {"window": True, "alibi": True}),
        ("1.2", {"key_padding": True}),
        ("generic", {"learned_alpha": True, "attn_mask": True}),
    ],
)
def test_gradcheck(alpha: str, features: dict[str, bool]) -> None:
    p = problem(alpha, **features)
    kernel = kernel_of(FAMILY, p, block_m=16)
    q, k, v, _ = (x[..., :3].clone() for x in tensors(2, 18, 21))
    k, v = (k[:, :1], v[:, :1]) if p.grouped else (k, v)
    given: dict[str, Any] = {}
    if p.window:
        given |= {"window_left": 6, "window_right": 3}
    if p.alibi:
        given["alibi_slopes"] = torch.tensor([0.5, 0.1])
    if p.key_padding:
        given["key_padding"] = torch.arange(21)[None] < 17
    if p.attn_mask:
        given["attn_mask"] = (torch.rand(18, 21, generator=torch.Generator().manual_seed(0)) < 0.8).expand(
            1, 2, 18, 21
        )

    class Attention(torch.autograd.Function):
        @staticmethod
        def forward(ctx, q, k, v, *alpha):
            out, saved = kernel.forward(q, k, v, 0.3, **dict(zip(["alpha"], alpha, strict=False)), **given)
            ctx.save_for_backward(q, k, v, *alpha, *saved)
            return out

        @staticmethod
        def backward(ctx, dout):
            q, k, v, *alpha, tau = ctx.saved_tensors
            named = dict(zip(["alpha"], alpha, strict=False))
            return kernel.backward(dout, q, k, v, 0.3, (tau,), **named, **given)

    inputs = [q, k, v] + ([torch.tensor([1.05, 1.6], dtype=torch.float64)] if p.learned_alpha else [])
    assert torch.autograd.gradcheck(Attention.apply, [x.requires_grad_() for x in inputs])


@pytest.mark.parametrize("shape", [(0, 2, 5, 5), (1, 2, 0, 5), (1, 2, 5, 0), (1, 2, 0, 0)])
def test_nothing_to_do(shape: tuple[int, int, int, int]) -> None:
    batch, heads, n_q, n_k = shape
    q, k = torch.randn(batch, heads, n_q, 16), torch.randn(batch, heads, n_k, 16)
    v, dout = torch.randn(batch, heads, n_k, 24), torch.randn(batch, heads, n_q, 24)
    kernel = kernel_of(FAMILY, problem("1.5", "float32"))
    out, saved = kernel.forward(q, k, v, 0.25)
    assert torch.equal(out, torch.zeros(batch, heads, n_q, 24))
    for gradient, x in zip(kernel.backward(dout, q, k, v, 0.25, saved), (q, k, v), strict=True):
        assert torch.equal(gradient, torch.zeros_like(x))


@pytest.mark.parametrize("feature", ["key_padding", "attn_mask"])
def test_hidden_keys_are_never_read(feature: str) -> None:
    q, k, v, dout = tensors(2, 40, 50)
    exists = torch.arange(50) < 33
    given = (
        {"key_padding": exists[None]}
        if feature == "key_padding"
        else {"attn_mask": exists.expand(1, 2, 40, 50)}
    )
    kernel = kernel_of(FAMILY, problem(**{feature: True}), block_m=16)
    out, saved = kernel.forward(q, k, v, 0.3, **given)
    clean = kernel.backward(dout, q, k, v, 0.3, saved, **given)
    k[:, :, 33:], v[:, :, 33:] = math.nan, math.inf
    poisoned, saved = kernel.forward(q, k, v, 0.3, **given)
    assert torch.equal(out, poisoned)
    for before, after in zip(clean, kernel.backward(dout, q, k, v, 0.3, saved, **given), strict=True):
        assert torch.equal(before, after)


def test_a_row_that_sees_nothing_is_zero_in_every_gradient() -> None:
    q, k, v, dout = tensors(2, 40, 50)
    mask = torch.ones(1, 2, 40, 50, dtype=torch.bool)
    mask[:, 1, 7] = False
    kernel = kernel_of(FAMILY, problem(attn_mask=True))
    out, saved = kernel.forward(q, k, v, 0.3, attn_mask=mask)
    dq, dk, dv = kernel.backward(dout, q, k, v, 0.3, saved, attn_mask=mask)
    assert torch.all(out[0, 1, 7] == 0.0) and torch.all(dq[0, 1, 7] == 0.0)
    assert all(torch.isfinite(x).all() for x in (out, dq, dk, dv))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("gather", [False, True])
def test_a_bad_query_poisons_its_row_alone(value: float, gather: bool) -> None:
    q, k, v, dout = tensors(2, 40, 50)
    kernel = kernel_of(FAMILY, problem(), gather=gather)
    clean, _ = kernel.forward(q, k, v, 0.3)
    q[0, 1, 7, 3] = value
    out, saved = kernel.forward(q, k, v, 0.3)
    dq, _, _ = kernel.backward(dout, q, k, v, 0.3, saved)
    hit = torch.zeros(1, 2, 40, dtype=torch.bool)
    hit[0, 1, 7] = True
    assert out[hit].isnan().all() and dq[hit].isnan().all()
    torch.testing.assert_close(out[~hit], clean[~hit], rtol=1e-12, atol=1e-14)
    assert torch.isfinite(dq[~hit]).all()


def test_strided_inputs_and_the_same_bits_twice() -> None:
    p = problem("1.5", "float32", causal=True)
    kernel = kernel_of(FAMILY, p, block_m=32)
    packed = torch.randn(2, 90, 3, 4, 20)
    q, k, v = (x.transpose(1, 2)[..., 2:18] for x in packed.unbind(2))
    out, saved = kernel.forward(q, k, v, 0.25)
    truth = reference.attention(q, k, v, alpha=1.5, scale=0.25, is_causal=True)
    assert (out - truth).norm() < 1e-6 * truth.norm()
    first = [out, *saved, *kernel.backward(out, q, k, v, 0.25, saved)]
    again, saved = kernel.forward(q, k, v, 0.25)
    second = [again, *saved, *kernel.backward(out, q, k, v, 0.25, saved)]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_memory_is_linear_in_the_length() -> None:
    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                self.elements = max(self.elements, result.numel())
            return result

    q, k, v, dout = (torch.randn(1, 1, 2048, 16) for _ in range(4))
    kernel = kernel_of(FAMILY, problem("1.5", "float32", value_dim=16), block_m=16)
    with Largest() as largest:
        _, saved = kernel.forward(q, k, v, 0.25)
        kernel.backward(dout, q, k, v, 0.25, saved)
    assert largest.elements == 16 * 2048


def test_the_text_has_what_the_problem_has_and_nothing_else() -> None:
    config = family_named(FAMILY).default(problem(), CPU)
    plain = render(problem(causal=True), config).source
    for name in ("window_left", "slopes", "padding", "mask", "cu_seqlens_q", "kv", "dalpha"):
        assert not re.search(rf"\b{name}\b", plain), name
    assert "backward" not in render(problem(training=False), config).source
    assert not re.search(
        '[{}%]|f"', render(problem("generic", grouped=True, learned_alpha=True), config).source
    )


@pytest.mark.parametrize("dtype", list(DType))
def test_half_precision_is_left_to_gpus(dtype: DType) -> None:
    assert family_named(FAMILY).supports(problem("1.5", dtype.value)) == dtype.value.startswith(
        ("float32", "float64")
    )

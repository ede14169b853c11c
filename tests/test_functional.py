"""The public functions on the CPU target against the float64 reference, and every road into them."""

import subprocess
import sys
from typing import Any

import pytest
import torch

import splashgen
from splashgen import reference
from splashgen.budget import judge
from splashgen.dispatch import memo
from splashgen.features import alpha_tensor, feature_arguments

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned")


def drawn(heads: int = 4, kv_heads: int | None = None, n_q: int = 33, n_k: int | None = None, **made: Any):
    torch.manual_seed(0)
    made = {"dtype": torch.float64, **made}
    kv_heads, n_k = kv_heads or heads, n_k or n_q
    shapes = (2, heads, n_q, 16), (2, kv_heads, n_k, 16), (2, kv_heads, n_k, 8)
    return [torch.randn(shape, **made).mul(2).requires_grad_() for shape in shapes]


FEATURES = {
    "plain": {},
    "causal": {"is_causal": True},
    "window": {"window_size": (5, 2)},
    "causal window": {"is_causal": True, "window_size": (7, -1)},
    "alibi": {"alibi_slopes": torch.tensor([0.5, 0.25, 0.1, 0.0])},
    "padding": {"key_padding": torch.arange(33)[None] < torch.tensor([[20], [0]])},
    "mask": {"attn_mask": torch.ones(33, 33, dtype=torch.bool).triu(-3)},
    "generic": {"alpha": 1.7},
    "sparsemax": {"alpha": 2.0},
    "scale": {"scale": 1.0},
}


@pytest.mark.parametrize("name", FEATURES)
def test_matches_the_reference(name: str) -> None:
    options = FEATURES[name]
    q, k, v = drawn()
    out = splashgen.attention(q, k, v, **options)
    truth = reference.attention(q, k, v, **options)
    torch.testing.assert_close(out, truth, rtol=1e-6, atol=1e-7)
    dout = torch.randn_like(out)
    ours = torch.autograd.grad(out, (q, k, v), dout)
    for one, expected in zip(ours, torch.autograd.grad(truth, (q, k, v), dout), strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FEATURES)
def test_the_default_device_does_not_matter(name: str) -> None:
    q, k, v = drawn()
    dout = torch.randn(2, 4, 33, 8, dtype=torch.float64)

    def computed() -> tuple[torch.Tensor, ...]:
        out, tau, support = splashgen.attention(
            q, k, v, return_tau=True, return_support=True, **FEATURES[name]
        )
        return out, tau, support, *torch.autograd.grad(out, (q, k, v), dout)

    expected = computed()
    with torch.device("meta"):
        ours = computed()
    assert all(map(torch.equal, ours, expected))


def test_alibi_slopes_are_as_precise_as_the_query() -> None:
    q, k, v = drawn()
    slopes = torch.tensor([1 / 3, 1 / 7, 0.1, 0.0], dtype=torch.float64)
    truth = reference.attention(q, k, v, alibi_slopes=slopes)
    ours = splashgen.attention(q, k, v, alibi_slopes=slopes)
    compiled = torch.compile(splashgen.attention, fullgraph=True, backend="eager")
    for out in (ours, compiled(q, k, v, alibi_slopes=slopes)):
        torch.testing.assert_close(out, truth, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("gain", [1.0, 4.0])
def test_alpha_near_1_is_within_the_budget_of_float32(gain: float) -> None:
    tensors = torch.randn(4, 1, 2, 256, 64, generator=torch.Generator().manual_seed(0))
    tensors[0] *= gain
    q, k, v, dout = tensors.unbind()
    inputs = [tensor.clone().requires_grad_() for tensor in (q, k, v)]
    out = splashgen.attention(*inputs, alpha=1.005)
    gradients = torch.autograd.grad(out, inputs, dout)
    exact = reference.attention_gradients(q, k, v, dout, alpha=1.005)
    rounded = reference.attention_gradients(q, k, v, dout, alpha=1.005, rounded_to=torch.float32)
    named = dict(zip(("dq", "dk", "dv"), gradients, strict=True))
    verdict = judge({"out": out.detach(), **named}, exact, rounded)
    assert verdict.passed, verdict.sentence


def test_gradcheck() -> None:
    q, k, v = (tensor[:, :, :7].detach().requires_grad_() for tensor in drawn(2, 1))
    assert torch.autograd.gradcheck(
        lambda *a: splashgen.attention(*a, is_causal=True, enable_gqa=True), (q, k, v)
    )


@pytest.mark.parametrize("start", [1.01, 1.5])
def test_gradcheck_of_learned_alpha(start: float) -> None:
    q, k, v = (tensor[:1, :, :5].detach() for tensor in drawn(2))
    alpha = torch.tensor([start, start + 0.2], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda a: splashgen.attention(q, k, v, alpha=a), (alpha,), eps=1e-6, atol=1e-4
    )


def test_integer_lengths_are_padding() -> None:
    q, k, v = drawn()
    mask = torch.arange(33)[None] < torch.tensor([[20], [7]])
    lengths = torch.tensor([20, 7])
    same = splashgen.attention(q, k, v, key_padding=mask), splashgen.attention(q, k, v, key_padding=lengths)
    assert torch.equal(*same)


def test_window_that_ends_at_the_query_is_causal() -> None:
    q, k, v = drawn()
    assert torch.equal(
        splashgen.attention(q, k, v, window_size=(-1, 0)), splashgen.attention(q, k, v, is_causal=True)
    )


def test_varlen_matches_each_sequence() -> None:
    torch.manual_seed(0)
    lengths_q, lengths_k = (5, 17, 1), (9, 17, 30)
    q, k, v = (torch.randn(sum(n), 2, 16, dtype=torch.float64) for n in (lengths_q, lengths_k, lengths_k))
    offsets = [torch.tensor([0, *n]).cumsum(0).int() for n in (lengths_q, lengths_k)]
    out, tau = splashgen.attention_varlen(q, k, v, *offsets, 17, 30, is_causal=True, return_tau=True)
    assert tau.shape == (2, 23)
    pieces = zip(
        q.split(lengths_q), k.split(lengths_k), v.split(lengths_k), out.split(lengths_q), strict=True
    )
    for *inputs, ours in pieces:
        alone = splashgen.attention(*(piece.transpose(0, 1)[None] for piece in inputs), is_causal=True)
        torch.testing.assert_close(ours.transpose(0, 1)[None], alone)


def test_packed_sequences_are_checked_again_where_their_number_differs() -> None:
    q = torch.randn(10, 2, 16)
    slopes = torch.rand(2, 2)

    def call(*ends: int) -> torch.Tensor:
        offsets = torch.tensor(ends, dtype=torch.int32)
        return splashgen.attention_varlen(q, q, q, offsets, offsets, 10, 10, alibi_slopes=slopes)

    assert call(0, 4, 10).shape == q.shape
    with pytest.raises(ValueError, match=r"alibi_slopes has shape \(2, 2\)"):
        call(0, 1, 2, 3, 4, 10)
    with pytest.raises(ValueError, match="must begin with 0"):
        call()


def test_tensors_beside_the_inputs_may_lie_anyhow(device: torch.device) -> None:
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    q, k, v = (tensor.detach().to(device, dtype) for tensor in drawn())
    padding = (torch.rand(33, 2, device=device) < 0.7).T
    for name, tensor in {
        "alpha": torch.linspace(1.2, 1.9, 8, device=device)[::2],
        "alpha ": torch.tensor([1.4], device=device).expand(4),
        "key_padding": padding,
        "key_padding ": padding[:1].expand(2, 33),
        "alibi_slopes": torch.rand(8, device=device)[::2],
        "attn_mask": (torch.rand(33, 33, device=device) < 0.7).T,
    }.items():
        ours, expected = (
            splashgen.attention(q, k, v, **{name.strip(): each}) for each in (tensor, tensor.contiguous())
        )
        assert not tensor.is_contiguous() and torch.equal(ours, expected), name
    packed = q[0].transpose(0, 1)
    offsets = torch.tensor([[0, 1], [20, 2], [33, 3]], dtype=torch.int32, device=device)[:, 0]
    ours, expected = (
        splashgen.attention_varlen(packed, packed, packed, each, each, 33, 33)
        for each in (offsets, offsets.contiguous())
    )
    assert torch.equal(ours, expected)


def test_kernels_are_given_what_they_read_in_order() -> None:
    offsets = torch.zeros(3, 2, dtype=torch.int32)[:, 0]
    padding = torch.ones(5, 2, dtype=torch.bool).T
    given = feature_arguments((2, 1, 5, 5), (-1, -1), None, padding, None, (offsets, offsets, 3, 3))
    assert all(given[name].is_contiguous() for name in ("key_padding", "cu_seqlens_q", "cu_seqlens_k"))
    assert alpha_tensor(torch.rand(8)[::2], padding).is_contiguous()
    assert alpha_tensor(torch.rand(1).expand(4), padding).is_contiguous()


@pytest.mark.parametrize("name", ["alibi", "padding", "mask"])
def test_a_mask_that_is_written_to_before_the_backward_pass_is_noticed(name: str) -> None:
    ((argument, mask),) = FEATURES[name].items()
    mask = mask.clone().float() if name == "alibi" else mask.clone()
    q, k, v = (tensor.detach().float().requires_grad_() for tensor in drawn())
    out = splashgen.attention(q, k, v, **{argument: mask})
    mask.fill_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_window_may_be_a_list() -> None:
    q, k, v = drawn()
    ours = splashgen.attention(q, k, v, window_size=[3, 3])  # type: ignore[arg-type]
    assert torch.equal(ours, splashgen.attention(q, k, v, window_size=(3, 3)))


def test_tau_is_the_threshold() -> None:
    q, k, v = drawn()
    out, tau = splashgen.attention(q, k, v, return_tau=True)
    scores = 0.5 * (q @ k.mT) / 4 - tau[..., None]
    p = scores.clamp(min=0) ** 2
    torch.testing.assert_close(p.sum(-1), torch.ones_like(tau))
    torch.testing.assert_close(p @ v, out)
    assert not tau.requires_grad


def test_learned_alpha_has_a_gradient_one_a_head() -> None:
    q, k, v = drawn()
    alpha = torch.tensor([1.1, 1.3, 1.5, 1.9], dtype=torch.float64, requires_grad=True)

    def loss(values: torch.Tensor) -> torch.Tensor:
        return splashgen.attention(q, k, v, alpha=values).square().sum()

    (ours,) = torch.autograd.grad(loss(alpha), alpha)
    (truth,) = torch.autograd.grad(reference.attention(q, k, v, alpha=alpha).square().sum(), alpha)
    torch.testing.assert_close(ours, truth, rtol=1e-4, atol=1e-5)


def test_tensor_alpha_without_gradient_equals_the_float() -> None:
    q, k, v = drawn(dtype=torch.float32)
    torch.testing.assert_close(
        splashgen.attention(q, k, v, alpha=torch.tensor(1.5)), splashgen.attention(q, k, v, alpha=1.5)
    )


def test_inference_agrees_with_training() -> None:
    q, k, v = drawn()
    with torch.no_grad():
        alone = splashgen.attention(q, k, v)
    assert alone.grad_fn is None
    torch.testing.assert_close(alone, splashgen.attention(q, k, v), rtol=1e-6, atol=1e-8)


def test_any_strides() -> None:
    q, k, v = drawn()
    turned = [t.detach().transpose(1, 2).contiguous().transpose(1, 2) for t in (q, k, v)]
    inner = [t.detach().mT.contiguous().mT for t in (q, k, v)]
    expected = splashgen.attention(q, k, v)
    for tensors in (turned, inner):
        torch.testing.assert_close(splashgen.attention(*tensors), expected.detach(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_on_the_cpu_are_computed_in_float32(dtype: torch.dtype) -> None:
    q, k, v = drawn(dtype=dtype)
    out = splashgen.attention(q, k, v)
    assert out.dtype == dtype
    expected = splashgen.attention(q.float(), k.float(), v.float()).to(dtype)
    assert torch.equal(out, expected)
    out.sum().backward()
    assert q.grad.dtype == dtype


def test_autocast_computes_in_its_dtype() -> None:
    q, k, v = drawn(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        out = splashgen.attention(q, k, v)
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert q.grad.dtype == torch.float32


@pytest.mark.parametrize(("batch", "n_q", "n_k"), [(0, 5, 5), (2, 0, 5), (2, 5, 0)])
def test_nothing_to_compute(batch: int, n_q: int, n_k: int) -> None:
    q = torch.randn(batch, 2, n_q, 8, requires_grad=True)
    k = torch.randn(batch, 2, n_k, 8, requires_grad=True)
    out, tau = splashgen.attention(q, k, k, return_tau=True)
    assert out.shape == (batch, 2, n_q, 8) and not out.any() and tau.isinf().all()
    out.sum().backward()
    assert not q.grad.any() and not k.grad.any()
    alpha = torch.tensor([1.3, 1.7], requires_grad=True)
    fixed_q, fixed_k = q.detach(), k.detach()
    splashgen.attention(fixed_q, fixed_k, fixed_k, alpha=alpha).sum().backward()
    assert torch.equal(alpha.grad, torch.zeros(2))


def test_second_call_takes_the_plan_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    q, k, v = drawn()
    first = splashgen.attention(q, k, v)
    plans = len(memo)
    monkeypatch.setattr("splashgen.attend.plan_for", None)
    assert torch.equal(splashgen.attention(q, k, v), first)
    assert len(memo) == plans


def test_checkpoint() -> None:
    q, k, v = drawn()
    out = torch.utils.checkpoint.checkpoint(splashgen.attention, q, k, v, use_reentrant=False)
    (ours,) = torch.autograd.grad(out.sum(), q)
    (expected,) = torch.autograd.grad(splashgen.attention(q, k, v).sum(), q)
    assert torch.equal(ours, expected)


def test_double_backward_is_refused_clearly() -> None:
    q, k, v = drawn()
    with pytest.raises(RuntimeError, match="differentiated twice"):
        torch.autograd.grad(splashgen.attention(q, k, v).sum(), q, create_graph=True)


def test_import_needs_neither_torch_nor_triton() -> None:
    code = "import sys, splashgen; assert not {'torch', 'triton', 'yaml'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.gpu
@pytest.mark.parametrize("head_dim", [80, 96, 112, 160, 192, 256])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_head_dims_with_the_config_of_the_tables(head_dim: int, dtype: str) -> None:
    """Whatever the look-up answers with, on this chip, must run."""
    tensors = torch.randn(4, 1, 2, 300, head_dim, generator=torch.Generator().manual_seed(0))
    q, k, v, dout = tensors.to("cuda", getattr(torch, dtype)).unbind()
    q, k, v = (tensor.requires_grad_() for tensor in (q, k, v))
    out = splashgen.attention(q, k, v, is_causal=True)
    gradients = dict(zip(("dq", "dk", "dv"), torch.autograd.grad(out, (q, k, v), dout), strict=True))
    inputs = tuple(tensor.detach() for tensor in (q, k, v, dout))
    exact, rounded = (
        reference.attention_gradients(*inputs, is_causal=True, rounded_to=rounded_to)
        for rounded_to in (None, q.dtype)
    )
    verdict = judge({"out": out.detach(), **gradients}, exact, rounded)
    assert verdict.passed, verdict.sentence

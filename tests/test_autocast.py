"""Autocast casts the inputs of a call and reaches no further: results are those of inputs cast by hand."""

import contextlib
from typing import Any

import pytest
import torch

import splashgen
from splashgen import reference
from splashgen.budget import judge
from splashgen.inspect.observe import Call
from splashgen.inspect.sparsity import sparsity_of

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned", "ignore:There is a performance drop")

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "causal": {"is_causal": True},
    "generic": {"alpha": 1.7},
    "sparsemax": {"alpha": 2.0},
    "alpha a head": {"alpha": torch.tensor([1.2, 1.8])},
    "alibi": {"alibi_slopes": torch.tensor([0.1, 0.2])},
}


def autocast() -> contextlib.AbstractContextManager[Any]:
    return torch.autocast("cpu", torch.bfloat16)


def drawn(dtype: torch.dtype = torch.bfloat16) -> list[torch.Tensor]:
    tensors = torch.randn(4, 1, 2, 130, 32, generator=torch.Generator().manual_seed(0)).to(dtype)
    q, k, v, dout = tensors.unbind()
    return [(2 * q).requires_grad_(), k.requires_grad_(), v.requires_grad_(), dout]


def computed(function: Any, inputs: list[torch.Tensor], **options: Any) -> dict[str, torch.Tensor]:
    """Output, τ, support size if there is one, and gradients, the backward pass in the caller's context."""
    *tensors, dout = inputs
    out, *others = function(*tensors, return_tau=True, **options)
    gradients = torch.autograd.grad(out, tensors, dout.to(out.dtype))
    named = dict(zip(("out", "tau", "support"), (out.detach(), *others), strict=False))
    return {**named, **dict(zip(("dq", "dk", "dv"), gradients, strict=True))}


def assert_same(ours: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, tensor in expected.items():
        assert ours[name].dtype == tensor.dtype and torch.equal(ours[name], tensor), name


@pytest.mark.parametrize("name", OPTIONS)
def test_halves_are_computed_as_without_autocast(name: str) -> None:
    options = {**OPTIONS[name], "return_support": True}
    expected = computed(splashgen.attention, drawn(), **options)
    with autocast():
        ours = computed(splashgen.attention, drawn(), **options)
    assert_same(ours, expected)


@pytest.mark.parametrize("name", ["plain", "generic", "sparsemax"])
def test_is_within_the_budget_of_its_dtype(name: str) -> None:
    alpha = OPTIONS[name].get("alpha", 1.5)
    inputs = drawn(torch.float32)
    with autocast():
        ours = computed(splashgen.attention, inputs, alpha=alpha)
    tau = ours.pop("tau")
    cast = tuple(tensor.detach().bfloat16() for tensor in inputs)
    exact, rounded = (
        reference.attention_gradients(*cast, alpha=alpha, rounded_to=dtype)
        for dtype in (None, torch.bfloat16)
    )
    verdict = judge({key: tensor.bfloat16() for key, tensor in ours.items()}, exact, rounded)
    assert verdict.passed, verdict.sentence
    _, truth = reference.attention(*cast[:3], alpha=alpha, return_tau=True)
    torch.testing.assert_close(tau.double(), truth, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("alpha", [1.5, 1.7, 2.0])
def test_backward_alone_under_autocast(alpha: float) -> None:
    *tensors, dout = drawn(torch.float32)
    out = splashgen.attention(*tensors, alpha=alpha)
    expected = torch.autograd.grad(out, tensors, dout, retain_graph=True)
    with autocast():
        ours = torch.autograd.grad(out, tensors, dout)
    assert all(map(torch.equal, ours, expected))


def test_packed_sequences() -> None:
    offsets = torch.tensor([0, 50, 130], dtype=torch.int32)

    def packed(*tensors: torch.Tensor, **options: Any) -> Any:
        rows = (tensor[0].transpose(0, 1) for tensor in tensors)
        out, *others = splashgen.attention_varlen(*rows, offsets, offsets, 80, 80, **options)
        return out.transpose(0, 1)[None], *others

    expected = computed(packed, drawn(), return_support=True)
    with autocast():
        ours = computed(packed, drawn(), return_support=True)
    assert_same(ours, expected)


@pytest.mark.parametrize("learned", [False, True])
def test_compiled(learned: bool) -> None:
    """The whole graph, backward pass included; `alpha` is learned in one of them."""
    alpha = torch.tensor([1.3, 1.6], requires_grad=True) if learned else 1.5

    def attend(*tensors: torch.Tensor, **options: Any) -> Any:
        return splashgen.attention(*tensors, alpha=alpha, **options)

    expected = computed(attend, drawn())
    torch._dynamo.reset()
    function = torch.compile(attend, fullgraph=True, backend="aot_eager")
    with autocast():
        ours = computed(function, drawn())
    assert_same(ours, expected)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("alpha", [1.2, 1.5, 1.7, 2.0])
def test_row_wise_entmax_keeps_its_dtype(alpha: float, compiled: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (3 * torch.randn(64, 300, generator=generator)).requires_grad_()
    dy = torch.randn(64, 300, generator=generator)

    def function(x: torch.Tensor) -> torch.Tensor:
        return splashgen.entmax(x, alpha)

    expected = function(x)
    expected_gradient = torch.autograd.grad(expected, x, dy)[0]
    torch._dynamo.reset()
    chosen = torch.compile(function, fullgraph=True, backend="aot_eager") if compiled else function
    with autocast():
        y = chosen(x)
        gradient = torch.autograd.grad(y, x, dy)[0]
    assert torch.equal(y, expected) and torch.equal(gradient, expected_gradient)


def test_sparsity_counts_what_the_call_computes() -> None:
    q, k, v, _ = (tensor.detach() for tensor in drawn(torch.float32))
    options = {"scale": None, "is_causal": True, "window_size": (-1, -1), "enable_gqa": True}
    options |= {"key_padding": None, "attn_mask": None}
    halves = (tensor.bfloat16() for tensor in (q, k, v))
    expected = sparsity_of(Call("", 0, *halves, 1.5, options))
    with autocast():
        assert sparsity_of(Call("", 0, q, k, v, 1.5, options)) == expected


def test_float64_is_left_alone() -> None:
    inputs = drawn(torch.float64)
    expected = computed(splashgen.attention, inputs)
    with autocast():
        assert_same(computed(splashgen.attention, inputs), expected)

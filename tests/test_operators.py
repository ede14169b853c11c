"""torch.compile, export and torch.func: the operators agree with eager mode."""

from typing import Any

import pytest
import torch
import torch._dynamo.testing

import splashgen
from splashgen.operators import attention_operator, entmax_operator

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned", "ignore:There is a performance drop")


def drawn() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, 2, 9, 8, requires_grad=True) for _ in range(3)]


def compiled(function: Any) -> Any:
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, backend="aot_eager")


@pytest.mark.parametrize(
    "options",
    [
        {"is_causal": True},
        {"alpha": 1.7, "window_size": (3, 1)},
        {"key_padding": torch.tensor([4, 9])},
        {"alibi_slopes": torch.tensor([0.1, 0.2]), "attn_mask": torch.ones(9, 9, dtype=torch.bool).tril(2)},
    ],
)
def test_compiled_attention_agrees_with_eager(options: dict[str, Any]) -> None:
    q, k, v = drawn()
    function = lambda *a: splashgen.attention(*a, **options).square()  # noqa: E731
    ours, eager = compiled(function)(q, k, v), function(q, k, v)
    torch.testing.assert_close(ours, eager)
    for one, other in zip(*(torch.autograd.grad(out.sum(), (q, k, v)) for out in (ours, eager)), strict=True):
        torch.testing.assert_close(one, other)


def test_annealed_alpha_compiles_once() -> None:
    q, k, v = drawn()
    counter = torch._dynamo.testing.CompileCounter()
    torch._dynamo.reset()
    function = torch.compile(lambda a: splashgen.attention(q, k, v, alpha=a), fullgraph=True, backend=counter)
    for value in (1.01, 1.2, 1.5, 1.9):
        alpha = torch.tensor(value)
        torch.testing.assert_close(function(alpha), splashgen.attention(q, k, v, alpha=alpha))
    assert counter.frame_count == 1


def test_learned_alpha_compiles() -> None:
    q, k, v = drawn()
    alpha = torch.tensor([1.3, 1.6], requires_grad=True)
    function = lambda a: splashgen.attention(q, k, v, alpha=a).square().sum()  # noqa: E731
    gradients = [torch.autograd.grad(one(alpha), alpha)[0] for one in (compiled(function), function)]
    torch.testing.assert_close(*gradients)


def test_compiled_entmax_and_varlen() -> None:
    x = torch.randn(4, 11, requires_grad=True)
    torch.testing.assert_close(compiled(lambda t: splashgen.entmax(t, 1.7))(x), splashgen.entmax(x, 1.7))
    q = torch.randn(8, 2, 8)
    offsets = torch.tensor([0, 3, 8], dtype=torch.int32)
    function = lambda t: splashgen.attention_varlen(t, t, t, offsets, offsets, 5, 5)  # noqa: E731
    torch.testing.assert_close(compiled(function)(q), function(q))


@pytest.mark.parametrize("alpha", [None, torch.tensor([1.3], requires_grad=True)])
def test_opcheck_attention(alpha: torch.Tensor | None) -> None:
    q, k, v = drawn()
    arguments = (q, k, v, alpha, *(None,) * 5, 1.5, 0.4, True, -1, -1, 0, 0, "mixed")
    torch.library.opcheck(attention_operator, arguments)


def test_opcheck_entmax() -> None:
    torch.library.opcheck(entmax_operator, (torch.randn(3, 7, requires_grad=True), None, 1.5))


def test_export() -> None:
    q, k, v = (t.detach() for t in drawn())

    class Model(torch.nn.Module):
        def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return splashgen.attention(q, k, v, is_causal=True)

    program = torch.export.export(Model(), (q, k, v))
    assert "splashgen.attention" in str(program.graph)
    torch.testing.assert_close(program.module()(q, k, v), Model()(q, k, v))


def test_what_sparsity_may_be_is_told_under_vmap_too() -> None:
    stacked = torch.randn(2, 1, 2, 5, 8)
    with pytest.raises(ValueError, match="sparsity must be None, 'dense', 'mixed' or 'sparse', but is 'foo'"):
        torch.vmap(lambda q: splashgen.attention(q, q, q, sparsity="foo"))(stacked)


def test_vmap() -> None:
    q, k, v = (t.detach() for t in drawn())
    stacked = torch.stack([q, 2 * q])
    each = torch.stack([splashgen.attention(one, k, v) for one in stacked])
    torch.testing.assert_close(torch.vmap(lambda t: splashgen.attention(t, k, v))(stacked), each)


def test_torch_func_grad_is_refused_clearly() -> None:
    q, k, v = (t.detach() for t in drawn())
    with pytest.raises(RuntimeError, match=r"torch\.autograd\.grad"):
        torch.func.grad(lambda t: splashgen.attention(t, k, v).sum())(q)


def test_an_exported_program_can_be_trained() -> None:
    q, k, v = drawn()

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.key = torch.nn.Parameter(k.detach().clone())

        def forward(self, q: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            return splashgen.attention(q, self.key, v, is_causal=True)

    program = torch.export.export(Model(), (q, v))
    assert "attention_saving" not in str(program.run_decompositions().graph)
    trained = program.module()
    trained(q, v).square().sum().backward()
    splashgen.attention(q, k, v, is_causal=True).square().sum().backward()
    torch.testing.assert_close(trained.key.grad, k.grad)

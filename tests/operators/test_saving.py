"""A compiled training step computes each forward once, and is eager mode's in every bit and byte."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from attention_cases import NUMPY_IS_QUIET, TRITON
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

import splashgen
from splashgen import dispatch
from splashgen.kernel import Kernel
from splashgen.operators.arguments import Arguments
from splashgen.operators.named import name_of
from splashgen.operators.saving import attention_saving

pytestmark = [NUMPY_IS_QUIET, pytest.mark.filterwarnings("ignore:No config is tuned")]

Function = Callable[..., torch.Tensor]
OPTIONS: list[dict[str, Any]] = [
    {"is_causal": True},
    {"alpha": 1.7, "window_size": (20, 5), "sparsity": "sparse"},
    {"alibi_slopes": torch.tensor([0.1, 0.2]), "key_padding": torch.tensor([40])},
]


def drawn(device: torch.device, n: int = 50, heads: int = 2) -> list[torch.Tensor]:
    """Query, key and value (1, heads, n, 16) that require gradients, as models lay them out."""
    generator = torch.Generator().manual_seed(n)
    made = (torch.randn(1, n, heads, 16, generator=generator).to(device) for _ in range(3))
    return [tensor.requires_grad_() for tensor in made]


def attended(*tensors: torch.Tensor, **options: Any) -> torch.Tensor:
    """Of tensors that lie as a model's do: (batch, n, heads, dim)."""
    q, k, v = (tensor.transpose(1, 2) for tensor in tensors)
    out: torch.Tensor = splashgen.attention(q, k, v, **options).square()
    return out


def compiled(function: Function, **options: Any) -> Function:
    return torch.compile(function, **{"fullgraph": True, "backend": "aot_eager", **options})


def same_in_every_bit(one: Function, other: Function, *tensors: torch.Tensor) -> bool:
    """Outputs and gradients."""
    results = []
    for function in (one, other):
        out = function(*tensors)
        results.append([out, *torch.autograd.grad(out.sum(), tensors)])
    return all(map(torch.equal, *results))


def kept(function: Function, *tensors: torch.Tensor) -> list[tuple[Any, ...]]:
    """What lies in memory between forward and backward, each tensor once."""
    found: dict[int, tuple[Any, ...]] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        found[tensor.data_ptr()] = tensor.dtype, tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = function(*tensors)
    assert out.requires_grad
    return sorted(found.values(), key=str)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options))
def test_one_forward_and_eager_modes_bits(
    options: dict[str, Any], device: torch.device, forwards: list[Kernel]
) -> None:
    here = {key: one.to(device) if isinstance(one, torch.Tensor) else one for key, one in options.items()}
    eager = functools.partial(attended, **here)
    assert same_in_every_bit(compiled(eager), eager, *drawn(device))
    assert len(forwards) == 1


def test_learned_alpha(device: torch.device, forwards: list[Kernel]) -> None:
    alpha = torch.tensor([1.3, 1.6], device=device, requires_grad=True)
    eager = lambda alpha, *rest: attended(*rest, alpha=alpha)  # noqa: E731
    assert same_in_every_bit(compiled(eager), eager, alpha, *drawn(device))
    assert len(forwards) == 1 and forwards[0].problem.learned_alpha


def test_packed_sequences(device: torch.device, forwards: list[Kernel]) -> None:
    offsets = torch.tensor([0, 20, 20, 50], dtype=torch.int32, device=device)

    def eager(*tensors: torch.Tensor) -> torch.Tensor:
        out, tau = splashgen.attention_varlen(
            *(tensor[0] for tensor in tensors), offsets, offsets, 40, 40, return_tau=True
        )
        return out.square() + tau.isfinite().T[..., None]

    assert same_in_every_bit(compiled(eager), eager, *drawn(device))
    assert len(forwards) == 1


def test_memory_is_what_eager_mode_keeps(device: torch.device) -> None:
    eager = functools.partial(splashgen.attention, is_causal=True)
    q, k, v = (tensor.transpose(1, 2).detach().requires_grad_() for tensor in drawn(device))
    assert kept(compiled(eager), q, k, v) == kept(eager, q, k, v)


def test_nothing_is_kept_where_no_gradient_is_wanted(device: torch.device, forwards: list[Kernel]) -> None:
    function = compiled(attended)
    with torch.no_grad():
        function(*drawn(device))
    assert [kernel.problem.training for kernel in forwards] == [False]


def test_lengths_share_a_graph(device: torch.device, forwards: list[Kernel]) -> None:
    """The first length has a graph of its own, all later ones another; a length of one tile may have a third."""
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    function = compiled(attended, backend=counter)
    lengths = (40, 50, 61, 97, 130)
    for n in lengths:
        assert same_in_every_bit(function, attended, *drawn(device, n))
    assert len(forwards) == len(lengths)
    assert counter.frame_count == 2


def test_marked_dynamic(device: torch.device, forwards: list[Kernel]) -> None:
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    function = compiled(attended, backend=counter)
    for n in (40, 70, 131):
        tensors = drawn(device, n)
        for tensor in tensors:
            torch._dynamo.mark_dynamic(tensor, 1)
        assert same_in_every_bit(function, attended, *tensors)
    assert (counter.frame_count, len(forwards)) == (1, 3)


def test_sizes_that_only_the_device_knows(device: torch.device, forwards: list[Kernel]) -> None:
    """How many tokens a mask selects is not known to the trace: the forward is computed again."""
    offsets = torch.tensor([0, 3, 7], dtype=torch.int32, device=device)
    chosen = torch.tensor([1, 1, 1, 0, 0, 1, 1, 0, 1, 1], dtype=torch.bool, device=device)

    def eager(tokens: torch.Tensor) -> torch.Tensor:
        q = tokens[chosen].unflatten(-1, (2, 16))
        return splashgen.attention_varlen(q, q.detach(), q.detach(), offsets, offsets, 5, 5).square()

    tokens = torch.randn(10, 32, device=device, requires_grad=True)
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        assert same_in_every_bit(compiled(eager), eager, tokens)
    assert [kernel.problem.training for kernel in forwards] == [False, True]


def test_a_table_that_changes_after_the_trace_does_no_harm(
    dispatch_to: Callable[..., None], forwards: list[Kernel]
) -> None:
    if torch.cuda.is_available():
        pytest.skip("Triton compiles for the GPU in this process")
    dispatch_to(TRITON, block_n=32)
    function, tensors = compiled(attended), drawn(torch.device("cpu"))
    before = torch.autograd.grad(function(*tensors).sum(), tensors)
    out = function(*tensors)
    dispatch_to(TRITON, block_n=64)
    assert all(map(torch.equal, before, torch.autograd.grad(out.sum(), tensors)))
    assert all(map(torch.equal, before, torch.autograd.grad(function(*tensors).sum(), tensors)))
    assert {kernel.config["block_n"] for kernel in forwards} == {32}
    torch.compiler.reset()
    function(*tensors)
    assert forwards[-1].config["block_n"] == 64


def test_checkpointing(device: torch.device, forwards: list[Kernel]) -> None:
    tensors = drawn(device)

    def recomputed(*tensors: torch.Tensor) -> torch.Tensor:
        return checkpoint(attended, *tensors, use_reentrant=False)

    function = compiled(recomputed)
    assert same_in_every_bit(function, attended, *tensors)
    assert len(forwards) == 2, "it was asked to compute the forward again"
    assert len(kept(function, *tensors)) == 3


@pytest.mark.filterwarnings("ignore:.*context_fn")
def test_selective_checkpointing_can_keep_it(device: torch.device, forwards: list[Kernel]) -> None:
    def policy(context: Any, operator: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
        ours = operator is torch.ops.splashgen.attention_saving.default
        return CheckpointPolicy.MUST_SAVE if ours else CheckpointPolicy.PREFER_RECOMPUTE

    def selective(*tensors: torch.Tensor) -> torch.Tensor:
        contexts = functools.partial(create_selective_checkpoint_contexts, policy)
        return checkpoint(attended, *tensors, use_reentrant=False, context_fn=contexts)

    assert same_in_every_bit(compiled(selective), attended, *drawn(device))
    assert len(forwards) == 1


def test_opcheck(device: torch.device) -> None:
    q, k, v = (tensor.transpose(1, 2).detach().requires_grad_() for tensor in drawn(device))
    for alpha in (None, torch.tensor([1.3], device=device, requires_grad=True)):
        given = Arguments(q, k, v, alpha, *(None,) * 5, 1.5, 0.4, True, -1, -1, 0, 0, "mixed")
        name = name_of(given.kernel(training=True, learned=alpha is not None))
        torch.library.opcheck(attention_saving, (*given, name))


def test_gradients_through_vmap(device: torch.device) -> None:
    tensors = [tensor.transpose(1, 2) for tensor in drawn(device)]
    stacked = torch.stack([tensors[0], 2 * tensors[0]]).detach().requires_grad_()
    mapped = torch.vmap(lambda q: splashgen.attention(q, *tensors[1:]))(stacked)
    each = torch.stack([splashgen.attention(q, *tensors[1:]) for q in stacked])
    gradients = [torch.autograd.grad(out.square().sum(), stacked)[0] for out in (mapped, each)]
    torch.testing.assert_close(*gradients)


@pytest.mark.slow
def test_inductor(device: torch.device, forwards: list[Kernel]) -> None:
    function = torch.compile(attended, fullgraph=True)
    for n in (40, 50, 97):
        results = []
        for one in (function, attended):
            tensors = drawn(device, n)
            results.append([out := one(*tensors), *torch.autograd.grad(out.sum(), tensors)])
        torch.testing.assert_close(*results)
    assert len(forwards) == 3


@pytest.mark.slow
def test_graphs_on_disk_are_those_of_the_same_tables(
    dispatch_to: Callable[..., None], forwards: list[Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch finds a graph by what is in it: after a tune, it compiles anew."""
    tensors = drawn(torch.device("cpu"), 23)
    with torch._inductor.utils.fresh_cache():
        for mode, block in (("quiet", 16), ("quiet", 32), ("warn", 32)):
            monkeypatch.setenv("SPLASHGEN_FALLBACK", mode)  # as much a part of the digest as the tables
            dispatch_to("attention_torch", block_m=block)
            torch.compiler.reset()
            torch.compile(attended, fullgraph=True)(*tensors)
    assert [kernel.config["block_m"] for kernel in forwards] == [16, 16, 32]


def test_the_digest_is_in_the_graph() -> None:
    seen: list[str] = []

    def backend(graph: torch.fx.GraphModule, example: Any) -> Any:
        seen.append(graph.code)
        return graph.forward

    torch.compile(attended, fullgraph=True, backend=backend)(*drawn(torch.device("cpu"), 20))
    assert dispatch.table_digest() in seen[0]

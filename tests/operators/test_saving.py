"""A compiled training step computes each forward once, and is eager mode's in every bit and byte."""

import functools
from typing import Any

import pytest
import torch
from attention_cases import NUMPY_IS_QUIET
from operator_cases import Function, attended, compiled, drawn, same_in_every_bit
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

import splashgen
from splashgen.kernel import Kernel
from splashgen.operators.arguments import Arguments
from splashgen.operators.named import name_of
from splashgen.operators.saving import attention_saving

pytestmark = [NUMPY_IS_QUIET, pytest.mark.filterwarnings("ignore:No config is tuned")]

OPTIONS: list[dict[str, Any]] = [
    {"is_causal": True},
    {"alpha": 1.7, "window_size": (20, 5), "sparsity": "sparse"},
    {"alibi_slopes": torch.tensor([0.1, 0.2]), "key_padding": torch.tensor([40])},
]


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


def test_opcheck(family: str, device: torch.device) -> None:
    q, k, v = (tensor.transpose(1, 2).detach().requires_grad_() for tensor in drawn(device))
    utilities = ["test_schema", "test_autograd_registration", "test_faketensor"]
    if family == "attention_torch":  # Triton's lists are unset behind their ends: no two are equal
        utilities.append("test_aot_dispatch_dynamic")
    for alpha in (None, torch.tensor([1.3], device=device, requires_grad=True)):
        given = Arguments(q, k, v, alpha, *(None,) * 5, 1.5, 0.4, True, -1, -1, 0, 0, "mixed")
        name = name_of(given.kernel(training=True, learned=alpha is not None))
        torch.library.opcheck(attention_saving, (*given, name), test_utils=utilities)


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

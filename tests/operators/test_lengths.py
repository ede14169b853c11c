"""Dynamic shapes: what is kept has symbols for sizes, and lengths share graphs."""

from functools import partial

import pytest
import torch
from attention_cases import NUMPY_IS_QUIET
from operator_cases import attended, compiled, drawn, same_in_every_bit
from torch._dynamo.testing import CompileCounterWithBackend

import splashgen
from splashgen.kernel import Kernel

pytestmark = [NUMPY_IS_QUIET, pytest.mark.filterwarnings("ignore:No config is tuned")]


def test_lengths_share_a_graph(device: torch.device, forwards: list[Kernel]) -> None:
    """The first length has a graph of its own, all later ones another; one tile may have a third."""
    counter = CompileCounterWithBackend("aot_eager")
    function = compiled(attended, backend=counter)
    lengths = (40, 45, 33, 70)
    for n in lengths:
        assert same_in_every_bit(function, attended, *drawn(device, n, heads=1))
    assert len(forwards) == len(lengths)
    assert counter.frame_count == 2


def test_marked_dynamic(device: torch.device, forwards: list[Kernel]) -> None:
    counter = CompileCounterWithBackend("aot_eager")
    function = compiled(attended, backend=counter)
    for n in (40, 70, 97):
        tensors = drawn(device, n, heads=1)
        for tensor in tensors:
            torch._dynamo.mark_dynamic(tensor, 1)
        assert same_in_every_bit(function, attended, *tensors)
    assert (counter.frame_count, len(forwards)) == (1, 3)


def test_longest_lengths_of_packed_sequences(device: torch.device, forwards: list[Kernel]) -> None:
    """They are numbers, and what is kept depends on them."""
    counter = CompileCounterWithBackend("aot_eager")

    def eager(offsets: torch.Tensor, longest: int, *tensors: torch.Tensor) -> torch.Tensor:
        out = splashgen.attention_varlen(
            *(tensor[0] for tensor in tensors), offsets, offsets, longest, longest
        )
        return out.square()

    function = compiled(eager, backend=counter)
    for lengths in ([20, 45], [33, 70], [7, 50]):
        offsets = torch.tensor([0, *lengths], device=device).cumsum(0).to(torch.int32)
        given = offsets, max(lengths)
        tensors = drawn(device, sum(lengths), heads=1)
        assert same_in_every_bit(partial(function, *given), partial(eager, *given), *tensors)
    assert (counter.frame_count, len(forwards)) == (2, 3)


def test_sizes_that_only_the_device_knows(device: torch.device, forwards: list[Kernel]) -> None:
    """How many tokens a mask selects is not known to the trace: the forward is computed again."""
    offsets = torch.tensor([0, 3, 7], dtype=torch.int32, device=device)
    chosen = torch.tensor([1, 1, 1, 0, 0, 1, 1, 0, 1, 1], dtype=torch.bool, device=device)

    def eager(tokens: torch.Tensor) -> torch.Tensor:
        q = tokens[chosen].unflatten(-1, (2, 16))
        return splashgen.attention_varlen(q, q.detach(), q.detach(), offsets, offsets, 5, 5).square()

    tokens = torch.randn(10, 32, device=device, requires_grad=True)
    with torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        results = [function(tokens) for function in (compiled(eager), eager)]
        gradients = [torch.autograd.grad(out.sum(), tokens)[0] for out in results]
    torch.testing.assert_close(*results)
    torch.testing.assert_close(*gradients)
    assert [kernel.problem.training for kernel in forwards] == [False, True]

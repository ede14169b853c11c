"""Tables of configs that change after a graph was traced."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from attention_cases import NUMPY_IS_QUIET, TRITON
from operator_cases import attended, compiled, drawn, same_in_every_bit

from splashgen import dispatch
from splashgen.kernel import Kernel

pytestmark = [NUMPY_IS_QUIET, pytest.mark.filterwarnings("ignore:No config is tuned")]


def test_a_table_that_changes_after_the_trace_does_no_harm(
    dispatch_to: Callable[..., None], forwards: list[Kernel]
) -> None:
    if torch.cuda.is_available():
        pytest.skip("Triton compiles for the GPU in this process")
    dispatch_to(TRITON, block_n=32)
    function, tensors = compiled(attended), drawn(torch.device("cpu"), 40, heads=1)
    assert same_in_every_bit(function, attended, *tensors)
    before = torch.autograd.grad(function(*tensors).sum(), tensors)
    out = function(*tensors)
    dispatch_to(TRITON, block_n=64)
    assert all(map(torch.equal, before, torch.autograd.grad(out.sum(), tensors)))
    assert all(map(torch.equal, before, torch.autograd.grad(function(*tensors).sum(), tensors)))
    assert {kernel.config["block_n"] for kernel in forwards} == {32}
    torch.compiler.reset()
    function(*tensors)
    assert forwards[-1].config["block_n"] == 64


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
            torch.compile(attended, fullgraph=True)(*tensors).sum().backward()
    assert [kernel.config["block_m"] for kernel in forwards] == [16, 16, 32]


def test_the_digest_is_in_the_graph() -> None:
    seen: list[str] = []

    def backend(graph: torch.fx.GraphModule, example: Any) -> Any:
        seen.append(graph.code)
        return graph.forward

    torch.compile(attended, fullgraph=True, backend=backend)(*drawn(torch.device("cpu"), 20))
    assert dispatch.table_digest() in seen[0]

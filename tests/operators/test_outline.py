"""What a trace is told of a kernel's outputs is what the kernel returns, for every family and config."""

from typing import Any

import pytest
import torch
from attention_cases import NUMPY_IS_QUIET, SMALL, TRITON, problem_of, triton_kernel
from attention_strategies import Call, calls, semantics
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from operator_cases import arguments_of, drawn_kernel
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

from splashgen.kernel import Kernel
from splashgen.operators import arguments
from splashgen.operators.arguments import Arguments
from splashgen.operators.named import name_of
from splashgen.operators.outline import outline
from splashgen.operators.recomputing import forward
from splashgen.operators.saving import attention_saving

pytestmark = NUMPY_IS_QUIET
DTYPES = ["float32", "float16"]


def facts(tensors: list[torch.Tensor]) -> list[tuple[Any, ...]]:
    return [(tuple(t.shape), t.stride(), t.dtype, t.device) for t in tensors]


def memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def kernel_for_call(given: Arguments, family: str, number: int) -> Kernel:
    """Of a random config of the family's space."""
    with pytest.MonkeyPatch.context() as patch:
        picked = lambda problem, device, regime: drawn_kernel(family, problem, device, number)  # noqa: E731
        patch.setattr(arguments, "kernel_for", picked)
        learned = given.alpha is not None and given.alpha.requires_grad
        return given.kernel(training=True, learned=learned)


def check(call: Call, family: str, number: int) -> None:
    given = Arguments(*(one.detach() if isinstance(one, torch.Tensor) else one for one in arguments_of(call)))
    kernel = kernel_for_call(given, family, number)
    real = forward(kernel, given)
    for environment in (None, ShapeEnv()):
        with FakeTensorMode(shape_env=environment) as mode:
            static = environment is None
            fakes = [
                one if one is None else mode.from_tensor(one, static_shapes=static) for one in given.tensors
            ]
            told = attention_saving(*fakes, *given.others, name_of(kernel))
        assert facts(told) == facts(real), kernel.config
    inputs = {memory(one) for one in given.tensors if one is not None}
    outputs = [memory(one) for one in real if one.numel()]
    assert len(set(outputs)) == len(outputs) and inputs.isdisjoint(outputs), kernel.config


@pytest.mark.parametrize(
    ("family", "examples"),
    [
        ("attention_torch", 10),
        (TRITON, 5),
        pytest.param("attention_torch", 150, marks=pytest.mark.slow),
        pytest.param(TRITON, 40, marks=pytest.mark.slow),
    ],
)
def test_a_trace_is_told_the_truth(family: str, examples: int) -> None:
    """Triton's kernels run in the interpreter here, and whatever the GPU computes has the same shape."""
    if family == TRITON and torch.cuda.is_available():
        pytest.skip("Triton compiles for the GPU in this process")
    several(family, examples, torch.device("cpu"), DTYPES)


@pytest.mark.parametrize("grain", ["tiles", "rows"])
@pytest.mark.parametrize("training", [False, True])
def test_a_trace_does_not_ask_which_length_is_larger(training: bool, grain: str) -> None:
    kernel = triton_kernel(problem_of(training=training), torch.device("cpu"), **SMALL, grain=grain)
    environment = ShapeEnv()
    free = StatelessSymbolicContext(
        [DimDynamic.DYNAMIC if dim == 2 else DimDynamic.STATIC for dim in range(4)]
    )
    tensors = [torch.empty(2, 3, length, 32) for length in (1000, 3000)]
    with FakeTensorMode(shape_env=environment) as mode:
        query, key = (mode.from_tensor(tensor, symbolic_context=free) for tensor in tensors)
        outline(kernel, query, key, key)
    lengths = {query.shape[2].node.expr, key.shape[2].node.expr}
    assert not [each.expr for each in environment.guards if lengths <= each.expr.free_symbols]


@pytest.mark.gpu
def test_a_trace_is_told_the_truth_on_a_gpu() -> None:
    several(TRITON, 12, torch.device("cuda"), ["bfloat16", *DTYPES])


def several(family: str, examples: int, device: torch.device, dtypes: list[str]) -> None:
    @seed(examples)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(calls(semantics(dtypes), 70, device), st.integers(0, 10**6))
    def each(call: Call, number: int) -> None:
        try:
            check(call, family, number)
        except Exception as error:
            # A space holds configs that a chip has no memory for; the tuner never runs them either.
            assume(type(error).__name__ != "OutOfResources")
            raise

    each()

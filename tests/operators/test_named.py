"""A kernel's name in a graph gives that kernel back."""

import json
import random

import pytest
import torch
from attention_cases import TRITON, problem_of
from attention_strategies import draw_semantics
from operator_cases import drawn_kernel, kernel_of

from splashgen.errors import KernelError
from splashgen.operators.named import kernel_named, name_of

CPU = torch.device("cpu")


@pytest.mark.parametrize("family", ["attention_torch", TRITON])
def test_the_name_gives_the_kernel_back(family: str) -> None:
    for seed in range(10):
        meaning = draw_semantics(random.Random(seed).choice, ["float32"])
        switches = {"causal": meaning.is_causal, "window": meaning.window, "varlen": meaning.packed}
        problem = problem_of(random.Random(seed).choice(["2", "1.5", "generic"]), **switches)
        kernel = drawn_kernel(family, problem, CPU, seed)
        assert kernel_named(name_of(kernel)) is kernel
        assert not name_of(kernel).count(" ")


def test_another_versions_name_is_refused() -> None:
    facts = json.loads(name_of(kernel_of("attention_torch", problem_of(), CPU)))
    facts["code_hash"] = "0" * 16
    with pytest.raises(KernelError, match=r"another version of splashgen; compile it anew"):
        kernel_named(json.dumps(facts))

"""Forward and backward of many small problems, for `compute-sanitizer` to watch (`scripts/sanitize`).

No result is compared here: the tests do that. Every tensor is an allocation of its own, so that an access
past its end is seen.
"""

import argparse
import multiprocessing
import os
import random

os.environ["PYTORCH_NO_CUDA_MEMORY_CACHING"] = "1"

import pytest
import torch
from attention_strategies import Call, calls, draw_semantics
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from marking import mark_heads

import splashgen
from splashgen import dispatch
from splashgen.families.attention_triton import defaults

CUDA = torch.device("cuda")


def attend(call: Call) -> None:
    q, k, v = (tensor.detach().requires_grad_() for tensor in (call.q, call.k, call.v))
    if call.packed is None:
        out = splashgen.attention(q, k, v, **call.options)
    else:
        out = splashgen.attention_varlen(q, k, v, *call.packed, **call.options)
    out.backward(call.dout)


def sweep(semantics: int, calls_each: int, longest: int, part: int = 0, parts: int = 1) -> int:
    """Run `calls_each` random calls of every `parts`-th of so many random semantics; returns how many ran."""
    choose = random.Random(1).choice
    drawn = [draw_semantics(choose, ["bfloat16", "float16", "float32"]) for _ in range(semantics)]
    ran = 0
    mark_heads(pytest.MonkeyPatch())
    for number in range(part, semantics, parts):
        # The default lists single rows of long sequences only, and of those where many tiles are listed.
        defaults._grain = lambda problem, grain=("tiles", "rows")[number % 2]: grain
        dispatch.clear()

        @seed(number)
        @settings(
            max_examples=calls_each,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(calls(st.just(drawn[number]), longest, CUDA))
        def run(call: Call) -> None:
            nonlocal ran
            attend(call)
            ran += 1

        run()
        print(f"{number + 1}/{semantics} {drawn[number]}", flush=True)
    for n in (1, 100, 5000, 70_000)[part::parts]:
        for alpha in (1.3, 1.5, 2.0):
            x = torch.randn(3, n, device=CUDA, requires_grad=True)
            splashgen.entmax(x, alpha=alpha).sum().backward()
            ran += 1
    return ran


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--semantics", type=int, default=24)
    parser.add_argument("--calls", type=int, default=2)
    parser.add_argument("--longest", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the sweep")
    asked = parser.parse_args()
    sizes = asked.semantics, asked.calls, asked.longest
    if asked.jobs == 1:
        total = sweep(*sizes)
        torch.cuda.synchronize()
    else:
        with multiprocessing.get_context("spawn").Pool(asked.jobs) as pool:
            total = sum(pool.starmap(sweep, [(*sizes, part, asked.jobs) for part in range(asked.jobs)]))
    print(f"{total} problems ran forward and backward")


if __name__ == "__main__":
    main()

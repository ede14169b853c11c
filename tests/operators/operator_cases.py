"""Arguments of the attention operators for the tests, and kernels of either family behind dispatch."""

from random import Random
from typing import Any

import torch
from attention_cases import SMALL, TRITON
from attention_strategies import Call

from splashgen.families import family_named
from splashgen.gpu import detect
from splashgen.kernel import Kernel, build
from splashgen.operators.arguments import Arguments
from splashgen.plans import settle
from splashgen.problem import Problem



def small(family: str) -> dict[str, Any]:
    """Tiles so small that short sequences have several."""
    return SMALL if family == TRITON else {"block_m": 16, "heads": 1}


def kernel_of(family: str, problem: Problem, device: torch.device, **config: Any) -> Kernel:
    """A family's default with some parameters changed."""
    found = family_named(family)
    chosen = {**found.default(problem, detect(device)).as_dict(), **config}
    return build(problem, found.space.member(chosen))


def drawn_kernel(family: str, problem: Problem, device: torch.device, seed: int) -> Kernel:
    """Any config of the space that this problem has on this device."""
    gpu, space = detect(device), family_named(family).space
    config = next(space.narrowed(problem, gpu).draws(problem, gpu, Random(seed)))
    # ALiBi is computed with one solver: how τ is solved has no part in what is kept.
    return build(problem, config.replace(solver="newton") if problem.alibi and family == TRITON else config)


def arguments_of(call: Call) -> Arguments:
    """What `splashgen.attention` gives its operator for a drawn call."""
    options = dict(call.options)
    alpha = options["alpha"]
    learned = isinstance(alpha, torch.Tensor)
    window = options.get("window_size", (-1, -1))
    given = options["is_causal"], options.get("scale"), options["enable_gqa"], window, 0.0, None
    causal, scale, window = settle(given, call.q.shape[-1])
    tensors = [call.q, call.k, call.v]
    if call.q.device.type == "cpu" and call.q.dtype in (torch.float16, torch.bfloat16):
        tensors = [tensor.float() for tensor in tensors]
    packed = call.packed or (None, None, 0, 0)
    return Arguments(
        *tensors,
        alpha if learned else None,
        *(options.get(name) for name in ("alibi_slopes", "key_padding", "attn_mask")),
        *packed[:2],
        0.0 if learned else alpha,
        scale,
        causal,
        *window,
        *packed[2:],
        "mixed",
    )

"""Arguments of the attention operators for the tests, and kernels of either family behind dispatch."""

from collections.abc import Callable
from random import Random
from typing import Any

import torch
from attention_cases import SMALL, TRITON
from attention_strategies import Call

import splashgen
from splashgen.families import family_named
from splashgen.gpu import detect
from splashgen.kernel import Kernel, build
from splashgen.operators.arguments import Arguments
from splashgen.plans import settle
from splashgen.problem import Problem
from splashgen.request import Options

Function = Callable[..., torch.Tensor]


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
    return build(problem, next(space.narrowed(problem, gpu).draws(problem, gpu, Random(seed))))


def arguments_of(call: Call) -> Arguments:
    """What `splashgen.attention` gives its operator for a drawn call."""
    options = dict(call.options)
    alpha = options["alpha"]
    learned = isinstance(alpha, torch.Tensor)
    window = options.get("window_size", (-1, -1))
    given = Options(options["is_causal"], options.get("scale"), options["enable_gqa"], window, 0.0, None)
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

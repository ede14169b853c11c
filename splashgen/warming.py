"""`warmup`: compile what a model will need before its first step, in processes side by side."""

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from splashgen.ahead import KERNELS
from splashgen.alpha import AlphaClass, check_alpha
from splashgen.checks_options import regime_of
from splashgen.compile import CompilePool
from splashgen.compile.warm import Filled, WarmJob
from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.gpu import Gpu, detect, named
from splashgen.kernel import build
from splashgen.problem import MAX_HEAD_DIM, Operation, Problem, dtype_named
from splashgen.store import Regime, lookup

if TYPE_CHECKING:
    import torch

__all__ = ["Warmed", "warm", "warmup"]


@dataclass(frozen=True, slots=True)
class Warmed:
    """What became of one problem."""

    problem: Problem
    config: Config
    compiled: int
    """Kernels that were compiled now."""
    found: int
    """Kernels that Triton's cache had."""
    launchers: bool
    """Whether the first call also finds the C functions that launch them: so only where the driver is."""
    seconds: float
    """Of the longest of the processes that shared the problem."""
    trouble: str = ""
    """Why it could not be compiled, a sentence; else empty."""


def warmup(
    *,
    head_dim: int | Sequence[int] = 64,
    value_dim: int | None = None,
    seq_len: int | Sequence[int] = 4096,
    dtype: "str | torch.dtype | Sequence[str | torch.dtype] | None" = None,
    alpha: float | str = 1.5,
    is_causal: bool = False,
    training: bool = True,
    features: Sequence[str] = (),
    sparsity: str | None = None,
    gpu: str = "auto",
    processes: int | None = None,
) -> tuple[Warmed, ...]:
    """Compile attention for every combination of these head dims, lengths and dtypes, into Triton's cache.

    The first call of a later process loads what is there. Nothing runs on the GPU, which need not be here:
    the cache can be filled on another machine with the same triton, and copied.

    Parameters
    ----------
    head_dim, seq_len : int or sequence of int
        As `splashgen.attention` will see them: head dims between 1 and 256. A length decides which tuned
        config is taken, no more.
    value_dim : int, optional
        Head dim of value, between 1 and 256; that of query if left out.
    dtype : str, torch.dtype or sequence of them, optional
        bfloat16 if left out, on a CPU float32.
    alpha : float or str
        A number in [1.0001, 2], also as a text such as `4/3`, or `generic` for an α in a tensor.
    is_causal, training : bool
        Masks and whether there will be a backward pass.
    features : sequence of str
        Switches of `splashgen.problem.Problem` besides: `window`, `alibi`, `key_padding`, `attn_mask`,
        `varlen`, `grouped`, `learned_alpha`.
    sparsity : str, optional
        As in the calls: `dense`, `mixed` or `sparse`.
    gpu : str
        `auto` for what is here, or a slug such as `h100`.
    processes : int, optional
        How many compile at a time; one a core if left out.

    Returns
    -------
    tuple of Warmed
        One for each kernel that differs; `trouble` says what could not be compiled.

    Raises
    ------
    ValueError
        If an argument is not allowed.
    NotImplementedError
        If no kernel family computes one of the problems on the device.

    Examples
    --------
    >>> import splashgen
    >>> splashgen.warmup(head_dim=[64, 128], seq_len=8192, is_causal=True, gpu="h100")  # doctest: +SKIP
    """
    dims = _several(head_dim)
    _check_widths("head_dim", dims)
    _check_widths("value_dim", [] if value_dim is None else [value_dim])
    device = named(gpu)
    usual = "float32" if device.backend == "cpu" else "bfloat16"
    kinds = [dtype_named(one) for one in _several(dtype if dtype is not None else usual)]
    number = AlphaClass.named(alpha) if isinstance(alpha, str) else AlphaClass.of(check_alpha(alpha))
    problems = [
        Problem(
            Operation.ATTENTION,
            number,
            kind,
            length,
            dim,
            value_dim or dim,
            training=training,
            causal=is_causal,
            **dict.fromkeys(features, True),
        )
        for dim, length, kind in itertools.product(dims, _several(seq_len), kinds)
    ]
    return warm(problems, device, processes, regime=regime_of(sparsity))


def warm(
    problems: Iterable[Problem],
    gpu: Gpu | None = None,
    processes: int | None = None,
    notify: Callable[[Warmed], None] = lambda warmed: None,
    regime: Regime = Regime.MIXED,
) -> tuple[Warmed, ...]:
    """`warmup` of problems; those that share kernels are compiled once, and `notify` is told each result."""
    gpu = gpu or detect()
    wanted: dict[tuple[Problem, Config], None] = {}
    for problem in problems:
        # Only a row-wise kernel depends on the length.
        cut = problem.semantics() if problem.operation is Operation.ATTENTION else problem.bucketed()
        wanted[cut, lookup(problem, gpu, regime).config] = None
    if gpu.backend == "cpu":
        return tuple(_rendered(*one, notify) for one in wanted)
    count = processes or os.cpu_count() or 1
    parts = max(1, min(KERNELS, count // max(len(wanted), 1)))
    done = []
    with CompilePool(count) as pool:
        shares = [
            [pool.submit(WarmJob(problem, config, gpu, part, parts)) for part in range(parts)]
            for problem, config in wanted
        ]
        for (problem, config), futures in zip(wanted, shares, strict=True):
            done.append(_gathered(problem, config, futures))
            notify(done[-1])
    return tuple(done)


def _gathered(problem: Problem, config: Config, shares: "list[Future[Filled]]") -> Warmed:
    try:
        filled = [share.result() for share in shares]
    except KernelError as error:
        return Warmed(problem, config, 0, 0, False, 0.0, str(error))
    return Warmed(
        problem,
        config,
        sum(each.compiled for each in filled),
        sum(each.found for each in filled),
        all(each.launchers for each in filled),
        max(each.seconds for each in filled),
    )


def _rendered(problem: Problem, config: Config, notify: Callable[[Warmed], None]) -> Warmed:
    """Torch code has no compiler: it is rendered and loaded."""
    build(problem, config)
    warmed = Warmed(problem, config, 0, 0, True, 0.0)
    notify(warmed)
    return warmed


def _check_widths(name: str, widths: Iterable[Any]) -> None:
    for width in widths:
        if type(width) is not int or not 1 <= width <= MAX_HEAD_DIM:
            raise ValueError(f"{name} is {width!r}, but must be an int between 1 and {MAX_HEAD_DIM}.")


def _several(value: Any) -> list[Any]:
    return [value] if isinstance(value, (int, str)) or not isinstance(value, Iterable) else list(value)

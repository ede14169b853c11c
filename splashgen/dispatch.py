"""Problem → loaded kernel: a dictionary after the first call, the store's look-up before it."""

import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

from splashgen.ahead import compiler_starting
from splashgen.errors import NoTunedConfigError
from splashgen.gpu import Gpu, detect
from splashgen.kernel import Kernel, build
from splashgen.problem import Operation, Problem
from splashgen.store import Match, Regime, Rung, lookup, title
from splashgen.store.key import tuning_key
from splashgen.store.tables import digest, signature

if TYPE_CHECKING:
    import torch

__all__ = [
    "clear",
    "fallback_mode",
    "forget_older",
    "is_fallback",
    "kernel_for",
    "memo",
    "table_digest",
    "tune_command",
]

_MODES = ("quiet", "warn", "strict")

memo: dict[Any, Any] = {}
"""What callers keep under keys of their own, so that they need not ask again; `clear` empties it too."""

_kernels: dict[tuple[Problem, "torch.device", Regime], Kernel] = {}
_seen: set[object] = set()
"""Signatures of the tables that `_kernels` were looked up in."""
_told: set[tuple[Problem, str]] = set()
_lock = threading.Lock()


def kernel_for(problem: Problem, device: "torch.device", regime: Regime = Regime.MIXED) -> Kernel:
    """The kernel that computes a problem on a device, tuned as well as the tables know.

    Raises
    ------
    NoTunedConfigError
        If nothing was tuned for the problem and `SPLASHGEN_FALLBACK` is `strict`.
    NotImplementedError
        If no family computes the problem on this device.
    """
    key = problem.bucketed(), device, regime
    kernel = _kernels.get(key)
    if kernel is None:
        gpu = detect(device)
        _seen.add(signature())
        with compiler_starting(gpu.backend):
            match = lookup(problem, gpu, regime)
            if is_fallback(match):
                _report(match, problem, gpu, regime)
            kernel = _kernels[key] = build(problem, match.config)
    return kernel


def clear() -> None:
    """Forget every kernel and every warning given: the next call looks the tables up again."""
    with _lock:
        memo.clear()
        _kernels.clear()
        _seen.clear()
        _told.clear()


def forget_older() -> None:
    """`clear` if a table was written since a kernel was looked up, as by a tune in another process."""
    if _seen - {signature()}:
        clear()


def table_digest() -> str:
    """A short hash of everything that decides which config a problem gets, for ranks to compare."""
    return digest()


def is_fallback(match: Match) -> bool:
    """Whether `splashgen tune` would give a better answer than this one."""
    return match.rung is not Rung.EXACT


def tune_command(problem: Problem, gpu: Gpu, regime: Regime = Regime.MIXED) -> str:
    """The command that tunes this problem for these scores."""
    words = ["splashgen tune", f"--gpu {gpu.slug}", f"--operation {problem.operation.value}"]
    if problem.operation is Operation.ATTENTION:
        words.append(f"--head-dim {problem.head_dim}")
        if problem.value_dim != problem.head_dim:
            words.append(f"--value-dim {problem.value_dim}")
    words += [f"--dtype {problem.dtype.value}", f"--alpha {problem.alpha.value}"]
    if problem.operation is Operation.ATTENTION:
        words.append("--causal" if problem.causal else "--no-causal")
    words.append(f"--seq-len {tuning_key(problem).seq_len}")
    if not problem.training:
        words.append("--inference")
    if regime is not Regime.MIXED:
        words.append(f"--sparsity {regime.value}")
    return " ".join(words)


def fallback_mode() -> str:
    """`SPLASHGEN_FALLBACK`: what a problem without a tuned config does, `warn` by default."""
    mode = os.environ.get("SPLASHGEN_FALLBACK") or "warn"
    if mode not in _MODES:
        raise ValueError(f"SPLASHGEN_FALLBACK is {mode!r}, but must be one of {', '.join(_MODES)}.")
    return mode


def _report(match: Match, problem: Problem, gpu: Gpu, regime: Regime) -> None:
    mode = fallback_mode()
    command = tune_command(problem, gpu, regime)
    advice = f"No config is tuned for «{title(problem, regime)}» on {gpu.name}; tune it with: {command}"
    if mode == "strict":
        raise NoTunedConfigError(f"{advice} (SPLASHGEN_FALLBACK=strict allows no fallback.)")
    with _lock:
        key = tuning_key(problem), gpu.slug
        first = key not in _told
        _told.add(key)
    if first and mode == "warn":
        answer = f"{match.rung.value}: {match.entry.problem}" if match.entry else "the family's default"
        text = f"{advice} (Using {answer}. SPLASHGEN_FALLBACK=quiet silences this.)"
        warnings.warn(text, stacklevel=_frames_inside())


def _frames_inside() -> int:
    """The `stacklevel` of the first caller outside this package: the line that the warning is about."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "splashgen":
        level, frame = level + 1, frame.f_back
    return level


def _unlock() -> None:
    """In a forked process: the thread that held the lock is not there to let go of it."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)

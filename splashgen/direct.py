"""Launches that ask Triton nothing: calls that are alike need the binaries that the first of them needed."""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from types import ModuleType
from typing import Any

import torch

from splashgen.kernel import Kernel
from splashgen.launches import with_functions

__all__ = ["Direct", "is_direct", "kept", "likeness", "tensors_in"]

_BYTES = 16
"""Triton asks of an address only whether this divides it."""

_MOST = 64
"""Likenesses remembered at a time: views into a buffer that grows have other strides at each call."""

Launches = tuple[tuple[str, Any], ...]
"""Names of a module's Triton functions and the compiled kernel that each was launched with."""


def is_direct(kernel: Kernel, device: torch.device) -> bool:
    """Whether launches of a kernel's host functions can be repeated: Triton compiled them, for a GPU."""
    if device.type != "cuda":
        return False
    from triton.runtime.jit import JITFunction

    return any(isinstance(one, JITFunction) for one in vars(kernel.module).values())


def likeness(*tensors: torch.Tensor) -> tuple[Any, ...] | None:
    """What of tensors decides about binaries besides shapes and dtypes; None: Triton has to be asked."""
    strides = []
    for tensor in tensors:
        if tensor.data_ptr() % _BYTES:
            return None
        strides.append(tensor.stride())
    return tuple(strides)


def kept(known: dict[Any, Any], alike: tuple[Any, ...], new: Any) -> Any:
    """What is known for a likeness, from now on `new` if there was nothing; the oldest makes room."""
    while len(known) >= _MOST and alike not in known:
        with contextlib.suppress(StopIteration, RuntimeError, KeyError):  # another thread makes room, too
            del known[next(iter(known))]
    return known.setdefault(alike, new)


class Direct:
    """A kernel's host functions for calls with tensors of the same shapes, dtypes and `likeness`.

    At each launch Triton finds out anew which binary suits the arguments: dtypes, whether 16 divides numbers
    and addresses, and whether a number is 1: some 16 µs a launch on an H200's host. Here the first call asks,
    and all others launch what it launched. Numbers besides tensors must be the same in all calls, but for
    floats.
    """

    __slots__ = ("_backwards", "_kernel", "forward")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.forward: Callable[..., Any] = self._first_forward
        self._backwards: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def backward(
        self,
        dout: torch.Tensor,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        scale: float,
        saved: Sequence[torch.Tensor],
        **features: Any,
    ) -> Any:
        """As the kernel's. Whoever stored q, k, v and `saved` since the forward pass may lay them anew."""
        args = dout, q, k, v, scale, saved
        alike = likeness(dout, q, k, v, *saved, *tensors_in(features))
        if alike is None:
            return self._kernel.module.backward(*args, **features)
        backward = self._backwards.get(alike)
        if backward is not None:
            return backward(*args, **features)
        result, backward = _watched(self._kernel.module, "backward", args, features)
        kept(self._backwards, alike, backward)
        return result

    def _first_forward(self, *args: Any, **features: Any) -> Any:
        result, self.forward = _watched(self._kernel.module, "forward", args, features)
        return result


def tensors_in(features: Mapping[str, Any]) -> list[torch.Tensor]:
    """Those of a kernel's keyword arguments that are tensors."""
    return [value for value in features.values() if isinstance(value, torch.Tensor)]


def _watched(
    module: ModuleType, name: str, args: tuple[Any, ...], features: dict[str, Any]
) -> tuple[Any, Callable[..., Any]]:
    """What a host function returns, and a function that launches the same again."""
    launched: list[tuple[str, Any]] = []
    _here.launched = launched
    result = _watching(module, name)(*args, **features)
    own: Callable[..., Any] = getattr(module, name)
    # A name that stands for two binaries tells them apart by arguments.
    repeatable = len({each for each, _ in launched}) == len(launched) and all(each for _, each in launched)
    return result, _repeating(module, name, tuple(launched)) if repeatable else own


_here = threading.local()
"""`launched`: names and compiled kernels of what this thread has launched."""


@lru_cache(maxsize=4096)
def _watching(module: ModuleType, name: str) -> Callable[..., Any]:
    """The host function, to learn from: made once, since lengths that grow make each call a first one."""
    return with_functions(module, name, _Watched)


class _Watched:
    """A Triton function that says what it was launched as."""

    def __init__(self, name: str, function: Any) -> None:
        self._name, self._function = name, function

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return partial(self._launch, self._function[grid])

    def _launch(self, launcher: Callable[..., Any], *args: Any, **options: Any) -> None:
        _here.launched.append((self._name, launcher(*args, **options)))


@lru_cache(maxsize=4096)
def _repeating(module: ModuleType, name: str, launched: Launches) -> Callable[..., Any]:
    repeated = {each: _Repeated(kernel) for each, kernel in launched}
    return with_functions(module, name, lambda each, function: repeated.get(each, function))


class _Repeated:
    """A compiled kernel that is launched as the function that it was compiled from."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return partial(_launch, self._kernel[(*grid, 1, 1)[:3]])


def _launch(launcher: Callable[..., None], *args: Any, **options: Any) -> None:
    """Options are those of the compiler, which has done its work."""
    launcher(*args)

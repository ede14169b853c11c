"""Host functions of rendered modules with their launches replaced."""

from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any

__all__ = ["with_functions", "with_launches"]


def with_functions(
    module: ModuleType,
    name: str,
    instead: Callable[[str, Any], Any],
    others: Mapping[str, Any] | None = None,
) -> Callable[..., Any]:
    """A copy of a module's host function that sees other things in the place of Triton functions.

    Parameters
    ----------
    module : module
        A rendered Triton module.
    name : str
        `forward` or `backward`; what it calls of its own module still launches.
    instead : callable
        The name of a Triton function and the function → what the copy sees.
    others : mapping, optional
        More names that the copy sees instead of the module's or Python's own.
    """
    from triton.runtime.jit import KernelInterface  # compiled or interpreted functions

    names = {
        each: instead(each, value) if isinstance(value, KernelInterface) else value
        for each, value in vars(module).items()
    }
    function = getattr(module, name)
    return FunctionType(function.__code__, {**names, **(others or {})}, name, function.__defaults__)


def with_launches(
    module: ModuleType, name: str, launch: Callable[..., None], others: Mapping[str, Any] | None = None
) -> Callable[..., Any]:
    """A copy of a module's host function that calls `launch` where it would launch a kernel.

    Parameters
    ----------
    launch : callable
        Called with the Triton function, then as this would be called; the grid is left out.

    The others are those of `with_functions`.
    """

    class Replaced:
        def __init__(self, function: Any) -> None:
            self._function = function

        def __getitem__(self, grid: Any) -> Callable[..., None]:
            return lambda *args, **options: launch(self._function, *args, **options)

    return with_functions(module, name, lambda _, function: Replaced(function), others)

"""Triton's interpreter without two things that it does again and again, a third of what a kernel takes there.

Both are private to Triton: in a release that lacks them, nothing is changed.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["quicken"]


def quicken(interpreter: Any) -> None:
    """Change the module `triton.runtime.interpreter` in place."""
    if hasattr(interpreter, "_get_np_dtype"):
        interpreter._get_np_dtype = _of_scalars(interpreter._get_np_dtype)
    if hasattr(interpreter, "_patch_lang") and hasattr(interpreter, "_LangPatchScope"):
        interpreter._patch_lang = _once_a_launch(interpreter._patch_lang, interpreter._LangPatchScope)


def _of_scalars(numpy_type: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """It makes a table of all dtypes at each call, and needs the elements' alone. Pointers have no hash."""
    known = functools.cache(numpy_type)
    return lambda kind: (numpy_type if kind.scalar.is_ptr() else known)(kind.scalar)


def _once_a_launch(patch: Callable[[Any], Any], scope_type: Callable[[], Any]) -> Callable[[Any], Any]:
    """Each function that a kernel calls replaces the whole language again: once a launch is enough.

    A launch puts everything back at its end; what its functions replaced is not told to anybody.
    """
    patched: set[tuple[int, ...]] = set()

    def language_of(function: Any) -> tuple[int, ...]:
        found = (value for value in function.__globals__.values() if inspect.ismodule(value))
        return tuple(sorted({id(value) for value in found if value.__name__.startswith("triton.language")}))

    def patch_once(function: Any) -> Any:
        language, outermost = language_of(function), not patched
        if language in patched:
            return scope_type()
        scope = patch(function)
        patched.add(language)
        if outermost:
            restore = scope.restore

            def end() -> None:
                patched.clear()
                restore()

            scope.restore = end
        return scope

    return patch_once

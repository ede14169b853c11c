"""Triton's interpreter without what it does again and again: most of what a kernel takes there.

All of it is private to Triton: what a release lacks is not changed. No result changes by a bit.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["quicken"]


def quicken(interpreter: Any) -> None:
    """Change the module `triton.runtime.interpreter`, and the language that it runs, in place."""
    if hasattr(interpreter, "_get_np_dtype"):
        interpreter._get_np_dtype = _of_scalars(interpreter._get_np_dtype)
    if hasattr(interpreter, "_patch_lang") and hasattr(interpreter, "_LangPatchScope"):
        interpreter._patch_lang = _once_a_launch(interpreter._patch_lang, interpreter._LangPatchScope)
    if hasattr(interpreter, "interpreter_builder"):
        _without_unread_checks(interpreter.interpreter_builder)
    if hasattr(interpreter, "ReduceOps") and hasattr(interpreter.ReduceOps, "generic_reduce"):
        interpreter.ReduceOps.generic_reduce = _slice_by_slice(interpreter.ReduceOps.generic_reduce)
    core, semantic = interpreter.tl.core, interpreter.TritonSemantic
    _with_known_types(core.block_type)
    _with_known_shapes(core.tensor)
    if hasattr(core, "_unwrap_if_constexpr"):
        core._unwrap_if_constexpr = _plain_values_first(core, core._unwrap_if_constexpr)
    if hasattr(semantic, "broadcast_impl_value"):
        semantic.broadcast_impl_value = _unless_alike(semantic.broadcast_impl_value)
    if hasattr(semantic, "binary_op_type_checking_impl"):
        promote = semantic.binary_op_type_checking_impl
        semantic.binary_op_type_checking_impl = _unless_of_one_type(core.tensor, promote)


def _of_scalars(numpy_type: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """It makes a table of all dtypes at each call, and needs the elements' alone. Pointers have no hash."""
    known = functools.cache(numpy_type)
    return lambda kind: (numpy_type if kind.scalar.is_ptr() else known)(kind.scalar)


def _once_a_launch(patch: Callable[[Any], Any], scope_type: Callable[[], Any]) -> Callable[[Any], Any]:
    """Each function that a kernel calls replaces the whole language again: once a launch is enough.

    A launch puts everything back at its end; what its functions replaced is not told to anybody.
    """
    patched: set[tuple[int, ...]] = set()

    @functools.cache
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


def _without_unread_checks(builder: Any) -> None:
    """Sums of integers are made again in int64 for an assertion that is dropped unless one debugs."""
    options = getattr(builder, "options", None)
    if getattr(options, "sanitize_overflow", False) and not options.debug:
        builder.options = dataclasses.replace(options, sanitize_overflow=False)


def _slice_by_slice(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """A function of its own combines all rows at once, in the same order along the axis, not each alone."""

    def quick(self: Any, inputs: Any) -> Any:
        if self.axis is None:
            return reduce(self, inputs)
        slices = [np.moveaxis(one.handle.data, self.axis, 0) for one in inputs]
        rest = slices[0].shape[1:]

        def tensors(values: Any) -> Any:
            return tuple(self.to_tensor(value, one.dtype) for value, one in zip(values, inputs, strict=True))

        found = tensors(one[0] for one in slices)
        for place in range(1, len(slices[0])):
            combined = self.combine_fn.fn(*found, *tensors(one[place] for one in slices))
            combined = combined if isinstance(combined, tuple) else (combined,)
            found = tensors(one.handle.data.reshape(rest) for one in combined)
        results = [one.handle.data.reshape(rest) for one in found]
        if self.keep_dims:
            results = [np.expand_dims(one, self.axis) for one in results]
        return list(tensors(results))

    return quick


def _with_known_types(block_type: Any) -> None:
    """A type of the same shape and elements is the same but for the object that stands for the elements."""
    make, known = block_type.__init__, {}

    def init(self: Any, element_ty: Any, shape: Any) -> None:
        key = (str(element_ty), *(getattr(size, "value", size) for size in shape))
        if key not in known:
            make(self, element_ty, shape)
            known[key] = vars(self).copy()
        self.__dict__.update(known[key], element_ty=element_ty)

    block_type.__init__ = init


def _with_known_shapes(tensor: Any) -> None:
    """Tensors of the same shape share what says so; of a shape that is known, there is one object."""
    make, known, shapes = tensor.__init__, {}, []

    def init(self: Any, handle: Any, type: Any) -> None:
        key = id(type.shape) if type.is_block() else None
        if key not in known:
            make(self, handle, type)
            known[key] = vars(self).copy()
            shapes.append(type)  # so that no other object gets its shape's number
        self.__dict__.update(known[key], handle=handle, type=type, dtype=type.scalar)

    tensor.__init__ = init


def _plain_values_first(core: Any, unwrap: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What is no constant and holds none is known by its type."""
    plain = {int, float, bool, str, type(None), core.dtype, core.block_type, core.pointer_type, core.tensor}

    def quick(value: Any) -> Any:
        kind = type(value)
        if kind is core.constexpr:
            return value.value
        return value if kind in plain else unwrap(value)

    return quick


def _unless_alike(broadcast: Callable[..., Any]) -> Callable[..., Any]:
    """Tensors of one shape are broadcast already; `_with_known_shapes` makes that shape one object."""
    return lambda self, lhs, rhs: (lhs, rhs) if lhs.shape is rhs.shape else broadcast(self, lhs, rhs)


def _unless_of_one_type(tensor: Any, promote: Callable[..., Any]) -> Callable[..., Any]:
    """Numbers of one type and shape stay as they are, unless they are divided: halves are not in halves."""

    def quick(self: Any, lhs: Any, rhs: Any, *options: Any, **named: Any) -> Any:
        alike = type(lhs) is type(rhs) is tensor and lhs.dtype is rhs.dtype and lhs.shape is rhs.shape
        if alike and len(options) < 3 and not named and not lhs.dtype.is_ptr():
            return lhs, rhs
        return promote(self, lhs, rhs, *options, **named)

    return quick

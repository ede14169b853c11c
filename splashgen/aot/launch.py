"""Launches kernels that were compiled ahead of time, through the CUDA driver: nothing is compiled here.

`kernels.json` beside this file lists what was compiled: a kernel may have several variants, of which the
first that fits the arguments of a launch is taken. Needs torch and the driver alone.
"""

import ctypes
import functools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

_FOLDER = Path(__file__).resolve().parent
POINTERS = {
    "*fp16": torch.float16,
    "*bf16": torch.bfloat16,
    "*fp32": torch.float32,
    "*fp64": torch.float64,
    "*i1": torch.bool,
    "*u8": torch.uint8,
    "*i8": torch.int8,
    "*i16": torch.int16,
    "*i32": torch.int32,
    "*i64": torch.int64,
}
NUMBERS: dict[str, Any] = {
    "u1": ctypes.c_uint8,
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "fp32": ctypes.c_float,
    "fp64": ctypes.c_double,
}
_LIMITS = {"i32": 1 << 31, "i64": 1 << 63}
_SHARED_BY_DEFAULT = 48 * 1024
_MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


class constexpr:
    """A number that the kernels know."""

    def __init__(self, value: Any) -> None:
        self.value = value


def cdiv(x: int, y: int) -> int:
    """How many times y fits into x, rounded up."""
    return -(-x // y)


def next_power_of_2(n: int) -> int:
    """The power of two at or above n."""
    return 1 << max(n - 1, 0).bit_length()


@functools.cache
def _facts() -> Any:
    return json.loads((_FOLDER / "kernels.json").read_text(encoding="utf-8"))


class _Variant:
    """One binary, and the arguments that it takes."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.arguments = facts["arguments"]
        self.options = facts["options"]
        self.functions: dict[int, ctypes.c_void_p] = {}

    def packed(self, values: list[Any]) -> list[Any] | None:
        """The values as the kernel takes them, or None if they do not fit."""
        cells: list[Any] = []
        for value, argument in zip(values, self.arguments, strict=True):
            kind = argument["type"]
            if kind == "constexpr":
                if value != argument["value"] or type(value) is not type(argument["value"]):
                    return None
            elif kind in POINTERS:
                address = value.data_ptr()
                if value.dtype is not POINTERS[kind] or (argument["multiple"] and address % 16):
                    return None
                cells.append(ctypes.c_void_p(address))
            elif kind in _LIMITS:
                if not -_LIMITS[kind] <= value < _LIMITS[kind] or (argument["multiple"] and value % 16):
                    return None
                cells.append(NUMBERS[kind](value))
            else:
                cells.append(NUMBERS[kind](value))
        # Triton's kernels end with two pointers to scratch memory, which these do not use.
        return [*cells, ctypes.c_void_p(), ctypes.c_void_p()]

    def function(self, device: int) -> ctypes.c_void_p:
        """The kernel, loaded on a device once."""
        if device not in self.functions:
            data = (_FOLDER / self.facts["file"]).read_bytes()
            module, function = ctypes.c_void_p(), ctypes.c_void_p()
            _check(_cuda().cuModuleLoadData(ctypes.byref(module), data))
            symbol = self.facts["symbol"].encode()
            _check(_cuda().cuModuleGetFunction(ctypes.byref(function), module, symbol))
            if self.facts["shared"] > _SHARED_BY_DEFAULT:
                _check(_cuda().cuFuncSetAttribute(function, _MAX_DYNAMIC_SHARED, self.facts["shared"]))
            self.functions[device] = function
        return self.functions[device]


class Kernel:
    """`kernel[grid](*arguments, **options)`, as Triton's are launched."""

    def __init__(self, name: str) -> None:
        self.name = name
        # One that no length needs which the folder was compiled for has no variants.
        facts = _facts()["kernels"].get(name, {"parameters": [], "variants": []})
        self.parameters = facts["parameters"]
        self.variants = [_Variant(each) for each in facts["variants"]]

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        return functools.partial(self._launch, grid)

    def _launch(self, grid: tuple[int, ...], *values: Any, **named: Any) -> None:
        given = (*values, *(named.pop(name) for name in self.parameters[len(values) :]))
        plain = [each.value if isinstance(each, constexpr) else each for each in given]
        for variant in self.variants:
            if all(variant.options.get(name) == value for name, value in named.items()):
                cells = variant.packed(plain)
                if cells is not None:
                    _run(variant, grid, cells)
                    return
        said = ", ".join(
            f"{name}: {tuple(value.shape)} {value.dtype}"
            if isinstance(value, torch.Tensor)
            else f"{name}={value}"
            for name, value in zip(self.parameters, plain, strict=False)
        )
        raise ValueError(
            f"No variant of {self.name} was compiled for these arguments ({said}); export the folder "
            "again for them, or use the exported file, which compiles what it needs."
        )


def _run(variant: _Variant, grid: tuple[int, ...], cells: list[Any]) -> None:
    if not math.prod(grid):
        return
    device, stream = _place()
    pointers = (ctypes.c_void_p * len(cells))(*map(ctypes.addressof, cells))
    blocks = (*grid, 1, 1)[:3]
    threads = 32 * variant.options["num_warps"]
    function = variant.function(device)
    shared = variant.facts["shared"]
    _check(_cuda().cuLaunchKernel(function, *blocks, threads, 1, 1, shared, stream, pointers, None))


def _place() -> tuple[int, ctypes.c_void_p]:
    """The current device, checked once, its context made current in this thread, and the current stream."""
    device = torch.cuda.current_device()
    _check_device(device)
    context = ctypes.c_void_p()
    _check(_cuda().cuCtxGetCurrent(ctypes.byref(context)))
    if not context:  # a thread that has not used the device yet
        _check(_cuda().cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
        _check(_cuda().cuCtxSetCurrent(context))
    return device, ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)


@functools.cache
def _check_device(device: int) -> None:
    major, minor = torch.cuda.get_device_capability(device)
    if f"sm_{major}{minor}" != _facts()["arch"]:
        raise RuntimeError(
            f"These kernels were compiled for {_facts()['arch']}, but {torch.cuda.get_device_name(device)} "
            f"is sm_{major}{minor}; export them for it."
        )


@functools.cache
def _cuda() -> Any:
    return ctypes.CDLL("libcuda.so.1")


def _check(status: int) -> None:
    if status:
        text = ctypes.c_char_p()
        _cuda().cuGetErrorString(status, ctypes.byref(text))
        raise RuntimeError(f"The CUDA driver answered {status}: {(text.value or b'unknown error').decode()}.")

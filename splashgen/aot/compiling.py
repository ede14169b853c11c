"""Compiling a module's kernels to binaries, with what a loader must know of each."""

from dataclasses import dataclass
from typing import Any

from splashgen.aot import launch
from splashgen.cases import case_for
from splashgen.compile.inputs import meta_inputs
from splashgen.compile.recorder import compiling_for, target_of
from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.gpu import Gpu
from splashgen.kernel import build
from splashgen.problem import Problem

__all__ = ["AotJob", "Variant"]

_OPTIONS = ("num_warps", "num_stages", "num_ctas", "maxnreg")
_COMPILED_WITH = (*_OPTIONS, "enable_fp_fusion")
"""Launches need not know the last."""
_UNSUPPORTED = ("global_scratch_size", "profile_scratch_size", "launch_cooperative_grid", "launch_pdl")


@dataclass(frozen=True, slots=True)
class Variant:
    """One binary of one kernel."""

    kernel: str
    parameters: tuple[str, ...]
    binary: bytes
    symbol: str
    shared: int
    """Bytes of shared memory a block."""
    options: dict[str, int | None]
    """What it is launched with."""
    arguments: tuple[dict[str, Any], ...]
    """Of each parameter its `type`, its `value` where that is compiled in, and where 16 must divide it
    `multiple`."""


@dataclass(frozen=True, slots=True)
class AotJob:
    """All kernels of a module for one GPU, for `splashgen.compile.CompilePool`."""

    problem: Problem
    config: Config
    gpu: Gpu
    lengths: tuple[int, ...]
    """Sequence lengths that the module is called with: row-wise kernels depend on them."""

    def run(self) -> tuple[Variant, ...]:
        """Compile in this process: for aligned tensors with usual strides, and for any others."""
        from dataclasses import replace

        case = case_for(self.problem.operation)
        with compiling_for(self.gpu) as compiled:
            kernel = build(self.problem, self.config)
            for length in self.lengths:
                inputs = meta_inputs(replace(self.problem, seq_len=length))
                result = case.forward(kernel, inputs)
                if self.problem.training:
                    case.backward(kernel, inputs, result)
        usual = list(compiled.values())
        # Those that assume nothing come last: the loader takes the first that fits.
        general = {each.hash: each for each in map(self._general, usual)}
        return tuple(map(_variant, {**{each.hash: each for each in usual}, **general}.values()))

    def _general(self, kernel: Any) -> Any:
        """The same kernel for arguments of any alignment and any strides, 64-bit ones too."""
        import triton
        from triton.compiler import ASTSource

        source = kernel.src
        signature, constants = dict(source.signature), dict(source.constants)
        for index, parameter in enumerate(source.fn.params):
            kind = signature[parameter.name]
            fixed = kind == "constexpr" and not parameter.is_constexpr
            # Sizes fit 32 bits; strides, and what Triton assumed something of, may not.
            wide = kind == "i32" and ((index,) in source.attrs or parameter.name.startswith("stride"))
            if fixed or wide:
                signature[parameter.name] = "i64"
                constants.pop((index,), None)
        options = {name: getattr(kernel.metadata, name) for name in _COMPILED_WITH}
        return triton.compile(
            ASTSource(source.fn, signature, constants, {}), target=target_of(self.gpu), options=options
        )


def _variant(kernel: Any) -> Variant:
    source, facts = kernel.src, kernel.metadata
    for name in _UNSUPPORTED:
        if getattr(facts, name, 0):
            raise KernelError(f"{kernel.name} needs {name}, which the ahead-of-time loader does not provide.")
    return Variant(
        kernel=source.fn.__name__,
        parameters=tuple(parameter.name for parameter in source.fn.params),
        binary=kernel.asm["cubin"],
        symbol=facts.name,
        shared=facts.shared,
        options={name: getattr(facts, name) for name in _OPTIONS},
        arguments=tuple(
            _argument(kind, source.constants.get((index,)), (index,) in source.attrs)
            for index, kind in enumerate(source.signature.values())
        ),
    )


def _argument(kind: str, value: Any, multiple: bool) -> dict[str, Any]:
    if kind != "constexpr":
        if kind not in launch.POINTERS and kind not in launch.NUMBERS:
            raise KernelError(f"A kernel takes an argument of type {kind}, which the loader cannot pass.")
        return {"type": kind, "multiple": multiple}
    value = getattr(value, "value", value)
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise KernelError(f"A kernel takes the constant {value!r}, which a file of plain values cannot hold.")
    return {"type": kind, "value": value}

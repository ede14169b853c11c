"""Where a first call's time goes: the functions of splashgen and Triton that it goes through, as spans."""

from typing import Any

from splashgen.bench.spans import Spans

__all__ = ["instrument"]


def instrument(spans: Spans, triton: bool) -> None:
    """Make spans of all that a first call does besides running kernels; for a process that does nothing else.

    With `triton`, its own functions too; to import it for that counts as a span.
    Names that Triton does not have in the version at hand are left out, so their time shows up in what calls
    them. A compilation's name ends with its stages in milliseconds.
    """
    from splashgen import dispatch, kernel, plans
    from splashgen.store import staleness, tables

    spans.wrap(plans, "check", "check arguments")
    spans.wrap(dispatch, "detect", "ask the device")
    spans.wrap(dispatch, "lookup", "look up")
    spans.wrap(tables, "load", "read configs")
    spans.wrap(staleness, "render", "render")
    spans.wrap(kernel, "render", "render")
    spans.wrap(kernel, "_written", "write the file")
    spans.wrap(kernel, "_load", "run the rendered file")
    if triton:
        _instrument_triton(spans)


def _instrument_triton(spans: Spans) -> None:
    with spans.span("import triton"):
        import triton
    from triton.backends.nvidia import compiler as nvidia
    from triton.backends.nvidia import driver
    from triton.compiler import compiler
    from triton.runtime import build, cache, jit

    stages: dict[str, str] = {}

    def listen(*, src: Any, times: Any, cache_hit: bool, **_: Any) -> None:
        parts = (("ir", times.ir_initialization), *times.lowering_stages)
        told = ", ".join(f"{name} {micros / 1000:.0f}" for name, micros in parts)
        stages[src.name] = f"load {src.name}" if cache_hit else f"compile {src.name} ({told})"

    triton.knobs.compilation.listener = listen

    def compiled(src: Any, *args: Any, **kwargs: Any) -> str:
        return stages.get(src.name, f"compile {src.name}, which failed")

    spans.wrap(cache, "triton_key", "hash triton")
    spans.wrap(nvidia, "get_ptxas_version", "ptxas --version")
    for user in (compiler, jit):
        spans.wrap(user, "get_cache_key", "cache key")
    spans.wrap(triton.compiler, "compile", compiled)
    spans.wrap(driver, "libcuda_dirs", "ldconfig")
    spans.wrap(driver.CudaUtils, "__init__", "driver's library")
    spans.wrap(build, "_build", "gcc")
    spans.wrap(driver.CudaLauncher, "__init__", lambda self, src, *_: f"launcher of {src.name}")
    spans.wrap(compiler.CompiledKernel, "_init_handles", lambda self: f"binary of {self.name} to the device")
    spans.wrap(jit.JITFunction, "run", lambda self, *_, **__: f"launch {self.__name__}")
    spans.wrap(jit.JITFunction, "create_binder", "bind arguments")

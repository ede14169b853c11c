"""Compiling kernels for a GPU that need not be here: no driver, no launch, Triton's own cache filled."""

from splashgen.compile.kernels import CompiledKernel, compile_kernels, fits
from splashgen.compile.pool import CompilePool, Job, Work, compile_many

__all__ = ["CompilePool", "CompiledKernel", "Job", "Work", "compile_kernels", "compile_many", "fits"]

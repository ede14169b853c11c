"""A kernel's name: a text that a graph can hold, from which the very same kernel is built."""

import functools
import json
from typing import Any

from splashgen.alpha import AlphaClass
from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.kernel import Kernel, build
from splashgen.problem import DType, Operation, Problem

__all__ = ["kernel_named", "name_of"]

_KINDS = {"operation": Operation, "alpha": AlphaClass, "dtype": DType}


@functools.cache
def name_of(kernel: Kernel) -> str:
    """All that the kernel is made from, and the hash of its code.

    A graph is traced once and run often, perhaps in another process and with other tables of configs: torch
    keeps graphs on disk. With the name in the graph, what runs is what the trace reckoned with.
    """
    facts = {
        "problem": kernel.problem.semantics().as_dict(),
        "family": kernel.config.family,
        "config": kernel.config.as_dict(),
        "code_hash": kernel.rendered.hash,
    }
    return json.dumps(facts, separators=(",", ":"))


@functools.lru_cache(maxsize=4096)
def kernel_named(name: str) -> Kernel:
    """The kernel of that name.

    Raises
    ------
    KernelError
        If this version of splashgen generates other code from it than the one that gave the name.
    """
    facts = json.loads(name)
    plain: dict[str, Any] = {
        field: _KINDS[field](value) if field in _KINDS else value for field, value in facts["problem"].items()
    }
    config = Config.of(facts["family"], facts["config"])
    kernel = build(Problem(**plain), config)
    if kernel.rendered.hash != facts["code_hash"]:
        raise KernelError(
            f"A compiled graph was traced with the kernel {config} of another version of splashgen; compile "
            "it anew: clear torch's caches (the folder TORCHINDUCTOR_CACHE_DIR), or set "
            "TORCHINDUCTOR_FORCE_DISABLE_CACHES=1."
        )
    return kernel

"""Generated, tuned and dispatched kernels for exact sparse (α-entmax) attention.

Importing this package loads neither torch nor triton: the functions and modules below do, on first use.
"""

import importlib
from typing import TYPE_CHECKING

from splashgen._version import __version__

if TYPE_CHECKING:
    from splashgen import inspect as inspect
    from splashgen import nn as nn
    from splashgen import reference as reference
    from splashgen import training as training
    from splashgen.dispatch import table_digest
    from splashgen.functional import attention, attention_varlen, entmax, entmax15, sparsemax
    from splashgen.warming import warmup

__all__ = [
    "__version__",
    "attention",
    "attention_varlen",
    "entmax",
    "entmax15",
    "sparsemax",
    "table_digest",
    "warmup",
]

_HOMES = {
    "attention": "splashgen.functional",
    "attention_varlen": "splashgen.functional",
    "entmax": "splashgen.functional",
    "entmax15": "splashgen.functional",
    "sparsemax": "splashgen.functional",
    "table_digest": "splashgen.dispatch",
    "warmup": "splashgen.warming",
}
_MODULES = ("inspect", "nn", "reference", "training")


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"splashgen.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'splashgen' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])

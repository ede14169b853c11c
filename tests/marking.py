"""Lists of single rows in tests, whose problems are so short that the kernels would take whole tiles."""

import re
from dataclasses import replace

import pytest

from splashgen import dispatch, kernel
from splashgen.config import Config
from splashgen.problem import Problem
from splashgen.render import Rendered, render

__all__ = ["forget", "mark_heads"]


def mark_heads(patch: pytest.MonkeyPatch, few: int = 0) -> None:
    """Kernels built from now on mark the rows of every head that lists `few` tiles a query tile or more."""

    def rendered(problem: Problem, config: Config) -> Rendered:
        made = render(problem, config)
        return replace(
            made, source=re.sub(r"^FEW = .*", f"FEW = tl.constexpr({few})", made.source, flags=re.M)
        )

    patch.setattr(kernel, "render", rendered)
    forget()


def forget() -> None:
    """What was built with another number."""
    kernel._build.cache_clear()
    dispatch.clear()

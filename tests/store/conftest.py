"""Entries made of the real families, and config folders of each test's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from splashgen.alpha import AlphaClass
from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem
from splashgen.render import render
from splashgen.store import Entry, Status, Timing, tables

H100 = KNOWN_GPUS["h100"]


def make_problem(**changes: Any) -> Problem:
    """Causal bf16 training attention of head dim 64 at 4096, with changes."""
    values = {
        "operation": Operation.ATTENTION,
        "alpha": AlphaClass.THREE_HALVES,
        "dtype": DType.BFLOAT16,
        "seq_len": 4096,
        "head_dim": 64,
        "value_dim": 64,
        "causal": True,
    }
    return Problem(**{**values, **changes})


def make_entry(problem: Problem | None = None, gpu: Any = H100, **changes: Any) -> Entry:
    """A valid measured entry, its code hash included."""
    problem = problem or make_problem()
    config = changes.pop("config", None) or family_for(problem, gpu).default(problem, gpu)
    values = {
        "problem": problem,
        "config": config,
        "code_hash": changes.get("code_hash") or render(problem, config).hash,
        "status": Status.MEASURED,
        "time_ms": Timing(0.5, 0.49, 0.51),
        "error": {"out": 1e-5, "out_budget": 0.0029},
        "trials": 60,
        "tuned_at": "2026-11-23",
    }
    return Entry(**{**values, **changes})


@pytest.fixture
def problem() -> Callable[..., Problem]:
    return make_problem


@pytest.fixture
def entry() -> Callable[..., Entry]:
    return make_entry


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's config folder; the shipped one is empty."""
    folder = tmp_path / "user"
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(folder))
    monkeypatch.setattr(tables, "shipped_folder", lambda name: shipped)
    return folder


@pytest.fixture
def shipped(user: Path) -> Path:
    """The shipped folder that `user` made."""
    return user.parent / "shipped"

"""Folders of their own for every test, and the faulty family on request."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tune_fakes


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is written outside of the test's folder."""
    for name in ("STATE", "CONFIG", "CACHE"):
        monkeypatch.setenv(f"SPLASHGEN_{name}_DIR", str(tmp_path / name.lower()))
    return tmp_path


@pytest.fixture
def faulty() -> Iterator[None]:
    """The faulty family answers for CPU entmax."""
    tune_fakes.install()
    yield
    tune_fakes.remove()

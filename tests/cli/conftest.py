from pathlib import Path

import pytest

from splashgen.gpu import CPU


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CPU machine whose folders are empty."""
    for name in ("STATE", "CONFIG", "CACHE"):
        monkeypatch.setenv(f"SPLASHGEN_{name}_DIR", str(tmp_path / name.lower()))
    monkeypatch.setattr("splashgen.tune.target.detect", lambda device=None: CPU)
    return tmp_path

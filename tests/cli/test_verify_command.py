"""`splashgen verify` on the command line."""

from pathlib import Path

import filelock
import pytest
from typer.testing import CliRunner

from splashgen.cli import app


def test_another_gpu_is_one_sentence_and_exit_code_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["verify", "--gpu", "b200"])
    assert result.exit_code == 2
    assert "B200" in result.output and "tuning" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_nothing_stored_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr("splashgen.store.tables.shipped_folder", lambda name: tmp_path / "none")
    result = CliRunner().invoke(app, ["verify", "--gpu", "cpu"])
    assert result.exit_code == 0
    assert "splashgen tune" in result.output


def test_a_busy_device_is_one_sentence_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("SPLASHGEN_STATE_DIR", str(tmp_path))
    with filelock.FileLock(tmp_path / "cpu.lock"):
        result = CliRunner().invoke(app, ["verify", "--gpu", "cpu"])
    assert result.exit_code == 1
    assert result.stderr.startswith("splashgen verify: Another splashgen tune or verify runs on cpu")


def test_a_folder_that_is_not_there_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, said in (("nope", "does not exist"), ("file", "is not a folder")):
        result = CliRunner().invoke(app, ["verify", "--gpu", "cpu", "--folder", str(tmp_path / name)])
        assert result.exit_code == 2
        assert f"--folder {tmp_path / name} {said}" in result.stderr and not result.stdout

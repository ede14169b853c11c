"""Bad options of `splashgen bench` are one sentence and exit code 2, before anything is measured."""

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from splashgen.cli import app

pytestmark = pytest.mark.usefixtures("folders")


def _run(*arguments: str):
    return CliRunner().invoke(app, ["bench", *arguments])


@pytest.mark.parametrize("more", [(), ("--overhead",), ("--entmax",)])
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_here(monkeypatch: pytest.MonkeyPatch, name: str, more: tuple[str, ...]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = _run("--device", name, *more)
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    assert f"--device is '{name}', but torch finds no GPU here" in result.stderr


def test_one_gpu_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    result = _run("--device", "cuda:2")
    assert result.exit_code == 2 and "only the GPUs 0 to 1 here; choose one of them." in result.stderr


@pytest.mark.parametrize("name", ["foo", "cuda:x", "cuda:", "mps", "cpu:0", "cudax"])
def test_a_device_that_is_none(name: str) -> None:
    result = _run("--device", name)
    assert result.exit_code == 2 and len(result.stderr.splitlines()) == 1
    assert f"--device is '{name}', but must be auto, cuda, cuda:1 or another number, or cpu." in result.stderr


def test_nothing_is_left_behind(folders: Path) -> None:
    assert _run("--device", "foo", "--output", str(folders / "results.json")).exit_code == 2
    assert not (folders / "results.json").exists()


def test_outside_a_clone_the_options_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = _run("--check")
    assert result.exit_code == 2 and "name them with --targets and --results" in result.stderr

"""`splashgen tune --storage` and `--worker`: what is passed on, and what is refused in a sentence."""

import pytest
from typer.testing import CliRunner

from splashgen.cli import app
from splashgen.tune import Report

pytestmark = pytest.mark.usefixtures("folders")


def _run(*arguments: str):
    return CliRunner().invoke(app, ["tune", *arguments])


@pytest.mark.parametrize("way", ["option", "variable"])
@pytest.mark.parametrize(("function", "more"), [("tune", ()), ("work", ("--worker",))])
def test_the_storage_is_passed_on(
    monkeypatch: pytest.MonkeyPatch, way: str, function: str, more: tuple[str, ...]
) -> None:
    def called(*arguments: object, storage: object = None, **options: object) -> Report:
        asked.append(storage or arguments[0])
        return Report(())

    asked: list[object] = []
    monkeypatch.setattr(f"splashgen.tune.tuner.{function}", called)
    if way == "variable":
        monkeypatch.setenv("SPLASHGEN_STORAGE", "postgresql://me:s3cret@host/db")
    else:
        more = (*more, "--storage", "postgresql://me:s3cret@host/db")
    result = _run(*more)
    assert result.exit_code == 0
    assert asked == ["postgresql://me:s3cret@host/db"]
    assert "s3cret" not in result.output


def test_a_worker_without_a_study_says_how_to_begin_one() -> None:
    result = _run("--worker")
    assert result.exit_code == 1
    assert "No study for" in result.stderr and "splashgen tune --storage URL" in result.stderr


@pytest.mark.parametrize("option", [("--trials", "3"), ("--again",), ("--head-dim", "64"), ("--inference",)])
def test_a_worker_takes_no_problems_and_limits(option: tuple[str, ...]) -> None:
    result = _run("--worker", *option)
    assert result.exit_code == 2
    assert "--worker takes problems and limits from the studies it joins" in result.stderr


def test_a_storage_that_cannot_be_used_is_a_sentence_without_its_password() -> None:
    result = _run("--storage", "mysql://me:s3cret@host/db")
    assert result.exit_code == 1
    assert "--storage is not a URL of a database that splashgen can use" in result.stderr
    assert "s3cret" not in result.output and "Traceback" not in result.output

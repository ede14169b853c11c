"""`splashgen report` on what a real tune of a CPU kernel left behind."""

import json
from pathlib import Path

import few_rows
import forked_workers
import pytest
from typer.testing import CliRunner

from splashgen.alpha import AlphaClass
from splashgen.cli import app
from splashgen.gpu import CPU
from splashgen.problem import DType, Operation, Problem
from splashgen.tune import Limits, tune

PROBLEM = Problem(Operation.ENTMAX, AlphaClass.THREE_HALVES, DType.FLOAT32, seq_len=64)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a tune of three candidates."""
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STATE", "CONFIG", "CACHE"):
            patch.setenv(f"SPLASHGEN_{name}_DIR", str(folder / name.lower()))
        forked_workers.use(patch)
        limits = Limits(trials=3, timing_seconds=0.02, shoot_out_seconds=0.1)
        report = tune([PROBLEM], CPU, limits, tools=few_rows.TOOLS)
    assert report.ended[0].entry is not None
    return folder / "state"


def _run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["report", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_json_has_the_study_and_its_winner(tuned: Path) -> None:
    code, out, _ = _run("--state", tuned, "--json")
    (problem,) = json.loads(out)["problems"]
    assert code == 0
    assert problem["problem"]["operation"] == "entmax" and problem["gpu"]["slug"] == "cpu"
    assert [one["status"] for one in problem["candidates"]] == ["ok"] * 3
    assert problem["entry"]["trials"] == 3 and problem["reason"]
    assert problem["candidates"][0]["config"] == problem["default"], "the default is tried first"
    assert 0 < problem["candidates"][0]["error_of_budget"] <= 1
    assert problem["importance"] is None, "three candidates say nothing"


def test_the_page_and_the_pngs_are_written(tuned: Path, tmp_path: Path) -> None:
    page = tmp_path / "deep" / "page.html"
    code, out, _ = _run(
        "--storage", f"sqlite:///{tuned / 'studies.db'}", "-o", page, "--png", tmp_path / "png"
    )
    assert code == 0 and str(page) in out
    assert "entmax alpha=1.5 float32 seq_len=64 training" in page.read_text(encoding="utf-8")
    assert len(list((tmp_path / "png").glob("cpu-entmax-*.png"))) == 1


def test_what_cannot_be_read_is_said_in_a_sentence(tuned: Path, tmp_path: Path) -> None:
    code, _, error = _run("--state", tmp_path / "nothing")
    assert code == 2 and "no studies.db" in error and not (tmp_path / "nothing").exists()
    code, _, error = _run("--state", tuned, "--storage", "sqlite:///x.db")
    assert code == 2 and "both given" in error
    code, _, error = _run("--state", tuned, "--gpu", "h1000", "--json")
    assert code == 2 and "h1000" in error


def test_before_the_first_tune_there_is_a_page_and_no_empty_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLASHGEN_STATE_DIR", str(tmp_path / "state"))
    code, _, _ = _run("-o", tmp_path / "page.html")
    assert code == 0 and "There are no studies yet" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not (tmp_path / "state").exists()

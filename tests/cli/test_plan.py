"""`splashgen plan` from the command line, with the real compiler on its smallest kernels."""

import json

import pytest
from typer.testing import CliRunner

from splashgen.cli import app

ENTMAX = ["--operation", "entmax", "--seq-len", "256", "--candidates", "2", "--jobs", "1"]


def run(*words: str):
    return CliRunner().invoke(app, ["plan", *words])


@pytest.mark.parametrize("gpu", ["a100", pytest.param("mi300x", marks=pytest.mark.slow)])
def test_a_plan_is_compiled_ranked_and_stored(gpu: str, tmp_path) -> None:
    result = run("--gpu", gpu, *ENTMAX, "--output", str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    (plan,) = facts["plans"]
    times = [one["predicted_ms"] for one in plan["ranked"]]
    assert len(times) == 2 and times == sorted(times) and times[0] > 0
    assert facts["file"] == str(tmp_path / f"{gpu}.yaml")
    assert "status: planned" in (tmp_path / f"{gpu}.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--gpu", "gtx1080"], "--gpu is 'gtx1080', but must be one of a100"),
        (["--gpu", "a100", "--alpha", "3"], "alpha is 3.0"),
        (["--gpu", "a100", "--dtype", "float64"], "No kernel family computes"),
    ],
)
def test_what_cannot_be_planned_is_refused(words: list[str], sentence: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())

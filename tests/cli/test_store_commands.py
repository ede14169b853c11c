"""`splashgen`, `explain`, `gpus` and `configs`: what they print and their exit codes."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from splashgen import __version__
from splashgen.alpha import AlphaClass
from splashgen.cli import app
from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.problem import MAX_HEAD_DIM, DType, Operation, Problem
from splashgen.render import render
from splashgen.store import Entry, Status, Timing, load, save

H100 = KNOWN_GPUS["h100"]
PROBLEM = Problem(Operation.ATTENTION, AlphaClass.THREE_HALVES, DType.BFLOAT16, 4096, 64, 64, causal=True)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr("splashgen.store.tables.shipped_folder", lambda name: tmp_path / "none")
    return tmp_path


@pytest.fixture
def entry() -> Entry:
    config = family_for(PROBLEM, H100).default(PROBLEM, H100)
    code = render(PROBLEM, config).hash
    times = Timing(0.5, 0.49, 0.51), Timing(0.6, 0.59, 0.61)
    return Entry(
        PROBLEM, config, code, Status.MEASURED, times[0], tuned_at="2026-11-23", default_time_ms=times[1]
    )


def ran(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_package_can_be_run() -> None:
    said = subprocess.run([sys.executable, "-m", "splashgen", "--version"], check=True, capture_output=True)
    assert said.stdout.split() == [b"splashgen", __version__.encode()]


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys\nfrom splashgen.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'triton', 'yaml', 'jinja2', 'optuna'} & set(sys.modules)\n"
    )
    for arguments in (["--help"], ["--version"], ["explain", "--help"], ["configs", "merge", "--help"]):
        subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize(
    "words",
    [
        ["render", "--gpu", "h100", "--head-dim"],
        ["render", "--gpu", "h100", "--value-dim"],
        ["plan", "--gpu", "a100", "--head-dim"],
        ["warmup", "--gpu", "cpu", "--head-dim"],
        ["tune", "--gpu", "cpu", "--head-dim"],
        ["tune", "--gpu", "cpu", "--value-dim"],
    ],
)
def test_head_dims_that_calls_refuse_are_refused(words: list[str]) -> None:
    said = ran(*words, MAX_HEAD_DIM + 1)
    assert said.exit_code == 2
    assert words[-1] in said.stderr and str(MAX_HEAD_DIM) in said.stderr


def test_explain_names_the_rung_the_miss_and_the_command(user: Path, entry: Entry) -> None:
    save(H100, [entry])
    text = ran("explain", "--gpu", "h100", "--causal", "--seq-len", 4000).output
    assert "exact" in text and "Tune it with" not in text
    text = ran("explain", "--gpu", "h100", "--causal", "--seq-len", 5000).output
    assert "nearest length" in text and "--causal --seq-len 8192" in text
    text = ran("explain", "--gpu", "h100", "--no-causal", "--seq-len", 4096).output
    assert "Answer     default" in text and "causal         tuned True, wanted False" in text


def test_explain_json(user: Path, entry: Entry) -> None:
    save(H100, [replace(entry, code_hash="0" * 16)])
    account = json.loads(ran("explain", "--gpu", "h100", "--causal", "--json").output)
    assert account["rung"] == "default"
    assert "code has changed" in account["steps"][0]["verdict"]


def test_explain_refuses_an_unknown_chip(user: Path) -> None:
    result = ran("explain", "--gpu", "h1000")
    assert result.exit_code == 2 and "h1000" in result.output


def test_gpus_counts_entries(user: Path, entry: Entry) -> None:
    save(H100, [entry])
    facts = {fact["slug"]: fact for fact in json.loads(ran("gpus", "--json").output)}
    assert facts["h100"]["entries"] == 1 and facts["a100"]["entries"] == 0
    assert sum(fact["here"] for fact in facts.values()) == 1


def test_failures_are_shown_and_count_as_differences(user: Path, entry: Entry, tmp_path: Path) -> None:
    failed = replace(entry, failure="wrong: out is off by 1.")
    path = save(H100, [failed])
    assert "1 failed" in ran("configs", "list").output
    shown = ran("configs", "show", "h100").output
    assert "(measured, failed)" in shown and "out is off by 1." in shown
    assert "out is off by 1." in ran("explain", "--gpu", "h100", "--causal").output
    facts = {fact["slug"]: fact for fact in json.loads(ran("gpus", "--json").output)}
    assert facts["h100"]["entries"] == 0
    sound = save(H100, [entry], tmp_path / "sound")
    assert ran("configs", "diff", path, sound).exit_code == 1
    assert ran("configs", "validate").exit_code == 0


def test_list_show_validate(user: Path, entry: Entry) -> None:
    path = save(H100, [entry])
    assert json.loads(ran("configs", "list", "--json").output)[0]["entries"] == 1
    assert "1.20x the default's speed (measured, fresh)" in ran("configs", "show", "h100").output
    assert ran("configs", "show", path).output == ran("configs", "show", "h100").output
    assert ran("configs", "show", "nothing").exit_code == 2
    assert ran("configs", "validate").exit_code == 0
    path.write_text(path.read_text().replace("trials: 0", "trials: none"))
    result = ran("configs", "validate", path)
    assert result.exit_code == 1 and "field trials" in result.output


def test_diff_and_merge(user: Path, entry: Entry) -> None:
    first = save(H100, [entry], user / "a")
    second = save(H100, [replace(entry, problem=replace(PROBLEM, seq_len=1024))], user / "b")
    assert ran("configs", "diff", first, first).exit_code == 0
    result = ran("configs", "diff", first, second, "--json")
    assert result.exit_code == 1
    assert sorted(one["change"] for one in json.loads(result.output)) == ["added", "removed"]
    assert ran("configs", "merge", first, second, "-o", user / "c.yaml").exit_code == 0
    assert {one.problem.seq_len for one in load(user / "c.yaml").entries} == {1024, 4096}
    other = save(KNOWN_GPUS["h200"], [entry], user / "d")
    assert ran("configs", "merge", first, other, "-o", user / "e.yaml").exit_code == 2

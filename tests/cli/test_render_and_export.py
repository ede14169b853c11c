"""`splashgen render` and `splashgen export`."""

import json
import os
import threading

import pytest
from typer.testing import CliRunner

from splashgen.cli import app


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_render_prints_the_file_of_a_chip_that_is_not_here():
    said = run("render", "--gpu", "h100", "--head-dim", "80", "--causal", "--alpha", "1.25")
    assert said.exit_code == 0, said.output
    assert said.output.startswith("# attention alpha=1.25 bfloat16 head_dim=80 causal training\n")
    assert "import triton" in said.output
    compile(said.output, "rendered.py", "exec")


def test_render_takes_features_and_generic_alpha():
    said = run(
        "render", "--gpu", "cpu", "--alpha", "generic", "--feature", "window", "--feature", "learned_alpha"
    )
    assert said.exit_code == 0, said.output
    assert "window learned_alpha training" in said.output.splitlines()[0]
    assert "triton" not in said.output


def test_render_of_entmax_for_inference():
    said = run("render", "--gpu", "mi300x", "--operation", "entmax", "--inference", "--dtype", "float32")
    assert said.exit_code == 0, said.output
    assert "def forward(x)" in said.output and "def backward" not in said.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--gpu", "gtx1080"], "--gpu is 'gtx1080', but must be auto or one of"),
        (["--alpha", "1"], "softmax"),
        (["--alpha", "much"], "--alpha is 'much', but must be a number in [1.0001, 2] or generic"),
        (["--dtype", "int8"], "--dtype is 'int8', but must be one of float16"),
        (["--gpu", "h100", "--dtype", "float64"], "must be float16 or bfloat16 or float32 there."),
        (["--feature", "learned_alpha"], "learned_alpha needs the generic alpha"),
        (["--operation", "entmax", "--causal"], "belong to attention"),
        (["--operation", "entmax", "--head-dim", "32"], "--head-dim, --value-dim, --causal, "),
    ],
)
def test_a_bad_option_ends_with_one_sentence_and_code_2(arguments, message):
    said = run("render", *arguments)
    assert said.exit_code == 2
    assert message in said.stderr and said.stdout == ""
    assert len(said.stderr.strip().splitlines()) == 1


def test_export_writes_a_file_once(tmp_path):
    path = tmp_path / "entmax_attention.py"
    arguments = ["export", "--gpu", "cpu", "--dtype", "float32", "--causal", "-o", str(path)]
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    assert str(path) in first.output
    text = path.read_text()
    assert "def attention(q, k, v, scale=None):" in text

    path.write_text("mine")
    again = run(*arguments)
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert path.read_text() == "mine"

    said = json.loads(run(*arguments, "--force", "--json").output)
    assert (said["output"], said["gpu"], said["problem"]["causal"]) == (str(path), "cpu", True)
    assert path.read_text() == text


@pytest.mark.parametrize("trouble", [ValueError("A reason."), KeyboardInterrupt()])
def test_an_export_that_ends_early_leaves_what_was_there(tmp_path, monkeypatch, trouble):
    def broken(problem, config):
        raise trouble

    monkeypatch.setattr("splashgen.export.export", broken)
    path = tmp_path / "entmax_attention.py"
    arguments = ["export", "--gpu", "cpu", "--dtype", "float32", "-o", str(path)]
    assert run(*arguments).exit_code != 0
    assert list(tmp_path.iterdir()) == [], "an empty file would stop the next run"
    path.write_text("exported before")
    assert run(*arguments, "--force").exit_code != 0
    assert path.read_text() == "exported before"
    assert list(tmp_path.iterdir()) == [path]


def test_export_writes_through_a_link_and_into_a_pipe(tmp_path):
    target, link, pipe = tmp_path / "target.py", tmp_path / "link.py", tmp_path / "pipe"
    link.symlink_to(target)
    arguments = ["export", "--gpu", "cpu", "--dtype", "float32", "--force", "-o"]
    assert run(*arguments, str(link)).exit_code == 0
    assert link.is_symlink() and "def attention" in target.read_text()
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert run(*arguments, str(pipe)).exit_code == 0
    reader.join(20)
    assert read == [target.read_text()] and pipe.is_fifo()


def test_export_makes_the_folder_as_report_does(tmp_path):
    path = tmp_path / "missing" / "deep" / "file.py"
    assert run("export", "--gpu", "cpu", "-o", str(path)).exit_code == 0
    assert "def attention" in path.read_text()
    said = run("export", "--gpu", "cpu", "-o", str(path / "file.py"))
    assert said.exit_code == 1
    assert "cannot be written" in said.stderr

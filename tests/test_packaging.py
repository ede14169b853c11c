"""What a user meets first: imports that are quick and ask for little, a command that answers at once."""

import subprocess
import sys
import time

import pytest
import typer

from splashgen.cli import app
from splashgen.families import families
from splashgen.resources import shipped_folder


def run(script):
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=100)


def test_importing_splashgen_loads_neither_torch_nor_triton():
    done = run("import splashgen, sys; print(sorted({'torch', 'triton', 'optuna'} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.slow
def test_triton_may_be_missing():
    names = ", ".join(f"splashgen.{name}" for name in ("compile", "store", "nn", "functional"))
    done = run(f"import sys; sys.modules['triton'] = None; import {names}")
    assert done.returncode == 0, done.stderr


def test_attention_on_the_cpu_needs_no_triton():
    done = run(
        "import sys; sys.modules['triton'] = None; import torch, splashgen; "
        "x = torch.randn(1, 1, 20, 16); print(splashgen.attention(x, x, x).shape)"
    )
    assert "[1, 1, 20, 16]" in done.stdout, done.stderr


def commands():
    """Every command with the words that call it."""
    root = typer.main.get_command(app)
    waiting = [((), root)]
    while waiting:
        words, command = waiting.pop()
        yield words
        waiting += [((*words, name), each) for name, each in getattr(command, "commands", {}).items()]


def test_the_help_of_every_command_asks_for_neither_torch_nor_triton():
    script = (
        "import sys; sys.modules['torch'] = sys.modules['triton'] = None\n"
        "from typer.testing import CliRunner; from splashgen.cli import app\n"
        f"for words in {list(commands())}:\n"
        "    said = CliRunner().invoke(app, [*words, '--help'])\n"
        "    assert said.exit_code == 0, (words, said.output, said.exception)\n"
    )
    done = run(script)
    assert done.returncode == 0, done.stderr


def test_help_answers_at_once():
    def seconds():
        start = time.perf_counter()
        done = run("import sys; sys.argv[1:] = ['--help']; from splashgen.cli import main; main()")
        assert done.returncode == 0 and "tune" in done.stdout, done.stderr
        return time.perf_counter() - start

    # 0.2 s on an idle machine; the best of three, since this one may be busy with other tests.
    assert min(seconds() for _ in range(3)) < 0.5


def test_every_family_has_its_template_and_its_name():
    names = [family.name for family in families()]
    assert len(names) == len(set(names))
    for family in families():
        assert (shipped_folder("templates") / family.template).is_file()
        assert family.space.family == family.name

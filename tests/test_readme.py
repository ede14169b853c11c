"""The README's examples run, its commands exist, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest
import torch
import typer

from splashgen.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^    splashgen (.*?)(?: +#.*)?$", README, re.MULTILINE)


@pytest.mark.filterwarnings("ignore:No config is tuned")
def test_the_examples_run_and_print_what_is_shown():
    assert BLOCKS
    names = {}
    for block in BLOCKS:
        if not block.startswith(">>> "):
            exec(block, names)
            continue
        code, shown = block.removeprefix(">>> ").split("\n", 1)
        assert repr(eval(code, names)) == shown.strip()
    assert names["out"].shape == (1, 8, 1024, 64)
    assert torch.count_nonzero(names["alpha"].grad) == 8


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_have_the_options_that_are_shown(line):
    words = shlex.split(line)
    command = typer.main.get_command(app).commands[words[0]]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in words[1:] if word.startswith("-")} <= known


def test_the_links_and_scripts_exist():
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    scripts = re.findall(r"^    (scripts/\w+)$", README, re.MULTILINE)
    assert links and scripts
    for target in (*links, *scripts):
        assert (ROOT / target).exists(), target

"""`warmup`: what it compiles is what a later process loads."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import splashgen
from splashgen.alpha import AlphaClass
from splashgen.cli import app
from splashgen.gpu import KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem
from splashgen.warming import warm

H100 = KNOWN_GPUS["h100"]

CALL = """
import json, torch
from splashgen.alpha import AlphaClass
from splashgen.compile.recorder import compiling_for
from splashgen.compile.warm import counting
from splashgen.gpu import KNOWN_GPUS
from splashgen.kernel import build
from splashgen.problem import DType, Operation, Problem
from splashgen.store import lookup

gpu = KNOWN_GPUS["h100"]
problem = Problem(Operation.ATTENTION, AlphaClass.TWO, DType.FLOAT16, 300, 16, 16, training=False)
with counting() as hits, compiling_for(gpu):
    forward = build(problem, lookup(problem, gpu).config).forward
    for batch, heads, length in ((1, 1, 1), (3, 5, 77), (2, 16, 4096)):
        q = torch.empty(batch, length, heads, 16, dtype=torch.float16, device="meta").transpose(1, 2)
        forward(q, q, q, 0.3)
print(json.dumps(hits))
"""


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("SPLASHGEN_FALLBACK", "quiet")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "triton"))


@pytest.mark.slow
def test_a_later_process_compiles_nothing_whatever_the_sizes(tmp_path: Path) -> None:
    problem = Problem(Operation.ATTENTION, AlphaClass.TWO, DType.FLOAT16, 4096, 16, 16, training=False)
    told: list[object] = []
    (warmed,) = warm([problem, replace(problem, seq_len=128)], H100, 1, told.append)
    assert warmed.compiled >= 2 and (warmed.found, warmed.trouble) == (0, "")
    assert told == [warmed]
    assert warmed.launchers == torch.cuda.is_available()
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    # Elsewhere on disk: the cache must not depend on where rendered files lie.
    environment["SPLASHGEN_CACHE_DIR"] = str(tmp_path / "elsewhere")
    environment["PYTHONPATH"] = str(Path(splashgen.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", CALL], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == [True] * warmed.compiled


def test_what_does_not_compile_is_told_and_the_rest_is_done() -> None:
    broken = replace(KNOWN_GPUS["mi300x"], arch="gfx1")
    (warmed,) = warm([Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, 64)], broken, 1)
    assert "does not compile for mi300x" in warmed.trouble and warmed.compiled == 0


def test_a_cpu_has_nothing_to_compile_but_every_combination_is_made_ready() -> None:
    done = splashgen.warmup(head_dim=[16, 32], seq_len=[64, 128], dtype=torch.float32, gpu="cpu")
    assert [(one.problem.head_dim, one.compiled) for one in done] == [(16, 0), (32, 0)]
    assert splashgen.warmup(head_dim=iter([16, 32]), seq_len=64, gpu="cpu") == done[:2]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "int8"}, "dtype is 'int8', but must be one of float16"),
        ({"gpu": "h1000"}, "gpu is 'h1000', but must be auto or one of a100"),
        ({"alpha": 1.0}, "softmax"),
        ({"head_dim": 512}, "head_dim is 512, but must be an int between 1 and 256"),
        ({"head_dim": [64, 0]}, "head_dim is 0, but must be an int between 1 and 256"),
        ({"value_dim": 257}, "value_dim is 257, but must be an int between 1 and 256"),
        ({"value_dim": [64]}, r"value_dim is \[64\], but must be an int between 1 and 256"),
        ({"value_dim": 0}, "value_dim is 0, but must be an int between 1 and 256"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        splashgen.warmup(**{"gpu": "cpu", **arguments})  # type: ignore[arg-type]


def test_command() -> None:
    names = ["--gpu", "cpu", "--head-dim", "16", "--head-dim", "24", "--json"]
    said = CliRunner().invoke(app, ["warmup", *names])
    assert said.exit_code == 0, said.output
    assert [one["problem"]["head_dim"] for one in json.loads(said.stdout)] == [16, 24]
    said = CliRunner().invoke(app, ["warmup", "--gpu", "cpu", "--dtype", "int8"])
    assert said.exit_code == 2 and "--dtype is 'int8'" in said.stderr

"""What a first call compiles side by side is what its launches then need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from splashgen import ahead
from splashgen.alpha import AlphaClass
from splashgen.gpu import CPU
from splashgen.kernel import build
from splashgen.problem import DType, Operation, Problem
from splashgen.store import lookup

CHILD = """
import json, sys, threading
import torch, triton
from triton.runtime.jit import JITFunction
from splashgen import ahead
from splashgen.alpha import AlphaClass
from splashgen.cases import case_for
from splashgen.compile.inputs import meta_inputs
from splashgen.compile.recorder import _Driver, compiling_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.kernel import build
from splashgen.problem import DType, Operation, Problem
from splashgen.store import lookup

gpu = KNOWN_GPUS["h100"]
launchers, compiled = [], []


class Driver(_Driver):
    def launcher_cls(self, source, metadata):
        launchers.append((source.name, threading.current_thread() is threading.main_thread()))


triton.knobs.compilation.listener = lambda *, src, **facts: compiled.append(src.name)
triton.runtime.driver.set_active(Driver(gpu))
told = []
for switches in json.loads(sys.argv[1]):
    alpha = AlphaClass.GENERIC if switches.get("learned_alpha") else AlphaClass.TWO
    problem = Problem(Operation.ATTENTION, alpha, DType.FLOAT16, 128, 16, 16, **switches)
    kernel, inputs = build(problem, lookup(problem, gpu).config), meta_inputs(problem)
    launchers.clear(), compiled.clear()
    ahead._compile(ahead._launches(kernel, tuple(inputs[name] for name in "qkv"), inputs["features"]), 2)
    before = sorted(compiled)
    case = case_for(problem.operation)
    with compiling_for(gpu):
        result = case.forward(kernel, inputs)
        if problem.training:
            case.backward(kernel, inputs, result)
    told.append({"ahead": before, "all": sorted(compiled), "launchers": sorted(launchers)})
print(json.dumps(told))
"""


@pytest.mark.slow
def test_all_that_a_call_launches_is_compiled_ahead(tmp_path: Path) -> None:
    kinds = [
        {"training": True, "causal": True},
        {"training": False, "varlen": True, "alibi": True, "grouped": True},
        {"training": True, "window": True, "key_padding": True, "attn_mask": True, "learned_alpha": True},
    ]
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CHILD, json.dumps(kinds)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-2000:]
    forward, both = ["_bound", "_list_tiles", "_output"], ["_bound", "_dkdv", "_dq", "_list_tiles", "_output"]
    for told, names in zip(json.loads(ended.stdout), (both, forward, both), strict=True):
        assert told["ahead"] == told["all"] == names
        assert told["launchers"] == [[name, False] for name in names], "not in threads of their own"


def test_nothing_is_compiled_for_what_is_not_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(Operation.ATTENTION, AlphaClass.TWO, DType.FLOAT32, 32, 16, 16)
    kernel = build(problem, lookup(problem, CPU).config)
    monkeypatch.setattr(ahead, "_compiler_started", False)
    before = len(ahead._begun)
    ahead.compile_ahead(kernel, torch.empty(3, 1, 1, 32, 16).unbind(), {})
    with ahead.compiler_starting("cpu"):
        assert not ahead._compiler_started
    assert len(ahead._begun) == before


def test_threads_are_the_users_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPLASHGEN_COMPILE_THREADS", raising=False)
    for cores, expected in ((1, 1), (2, 2), (64, 8)):
        monkeypatch.setattr(ahead, "cores", lambda cores=cores: cores)
        assert ahead.threads() == expected
    monkeypatch.setenv("SPLASHGEN_COMPILE_THREADS", "12")
    assert ahead.threads() == 12
    for wrong in ("0", "-1", "many"):
        monkeypatch.setenv("SPLASHGEN_COMPILE_THREADS", wrong)
        with pytest.raises(ValueError, match=r"SPLASHGEN_COMPILE_THREADS is .*1 turns it off"):
            ahead.threads()


def test_the_compiler_starts_once_and_is_there_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_COMPILE_THREADS", "2")
    monkeypatch.setattr(ahead, "_compiler_started", False)
    started: list[bool] = []
    monkeypatch.setattr(ahead, "_start_compiler", lambda: started.append(True))
    for _ in range(2):
        with ahead.compiler_starting("cuda"):
            pass
        assert started == [True]


def test_one_thread_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_COMPILE_THREADS", "1")
    monkeypatch.setattr(ahead, "_compiler_started", False)
    monkeypatch.setattr(ahead, "_start_compiler", lambda: pytest.fail("It was started."))
    with ahead.compiler_starting("cuda"):
        assert not ahead._compiler_started

"""Kernels compiled ahead of time: the folder alone launches them, and takes the variant that fits."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from splashgen.alpha import AlphaClass
from splashgen.aot import export_aot, launch
from splashgen.aot.host import host_source
from splashgen.cli import app
from splashgen.export import export
from splashgen.families import family_for
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem

H100 = KNOWN_GPUS["h100"]
FEATURES = (
    {"causal": True},
    {"training": False, "window": True, "alibi": True, "key_padding": True, "attn_mask": True},
    {"varlen": True, "grouped": True},
    {"learned_alpha": True},
)


def attention(**changes: Any) -> Problem:
    values = {"seq_len": 300, "head_dim": 16, "value_dim": 16, **changes}
    alpha = AlphaClass.GENERIC if "learned_alpha" in changes else AlphaClass.THREE_HALVES
    return Problem(Operation.ATTENTION, alpha, DType.FLOAT16, **values)


def default(problem: Problem) -> Any:
    """As it is exported."""
    family = family_for(problem, H100)
    return family.for_loaders(family.default(problem, H100))


@pytest.mark.parametrize("problem", [*(attention(**each) for each in FEATURES), "entmax"])
def test_host_code_has_no_triton_and_asks_nothing_of_it_that_the_loader_lacks(problem: Any) -> None:
    if problem == "entmax":
        problem = Problem(Operation.ENTMAX, AlphaClass.THREE_HALVES, DType.FLOAT32, 64)
    source = host_source(export(problem, default(problem)), "sm_90")
    compile(source, "host.py", "exec")
    assert "import triton" not in source and "@triton.jit" not in source and "tl.load" not in source
    assert "Needs torch and an NVIDIA GPU of architecture sm_90 alone" in source.partition('"""')[0]
    words = source.replace("(", " ").replace(")", " ").replace(",", " ").split()
    used = {word.split(".")[1] for word in words if word.startswith(("triton.", "tl."))}
    assert used >= {"cdiv", "Kernel"}
    assert all(hasattr(launch, name) for name in used), used


class Driver:
    """Keeps what it is asked to launch."""

    def __init__(self) -> None:
        self.launched: list[tuple[Any, ...]] = []
        self.shared: list[int] = []

    def cuModuleLoadData(self, module: Any, data: bytes) -> int:
        module._obj.value = len(data)
        return 0

    def cuModuleGetFunction(self, function: Any, module: Any, symbol: bytes) -> int:
        function._obj.value = module.value
        return 0

    def cuFuncSetAttribute(self, function: Any, attribute: int, value: int) -> int:
        self.shared.append(value)
        return 0

    def cuLaunchKernel(self, function: Any, *rest: Any) -> int:
        *sizes, _stream, cells, _extra = rest
        pointers = zip(cells, (ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_float), strict=False)
        values = [ctypes.cast(cell, ctypes.POINTER(kind))[0] for cell, kind in pointers]
        self.launched.append((function.value, sizes, values, len(cells)))
        return 0


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A kernel `scale(x, n, stride, factor, BLOCK)` in two variants: binaries of 1 and of 2 bytes."""
    usual = [
        {"type": "*fp16", "multiple": True},
        {"type": "i32", "multiple": False},
        {"type": "i32", "multiple": True},
        {"type": "fp32", "multiple": False},
        {"type": "constexpr", "value": 64},
    ]
    general = [dict(usual[0], multiple=False), usual[1], {"type": "i64", "multiple": False}, *usual[3:]]
    shared = {"options": {"num_warps": 4, "maxnreg": None}, "symbol": "scale"}
    variants = [
        {**shared, "file": "1.cubin", "shared": 100_000, "arguments": usual},
        {**shared, "file": "2.cubin", "shared": 1000, "arguments": general},
    ]
    kernels = {"scale": {"parameters": ["x", "n", "stride", "factor", "BLOCK"], "variants": variants}}
    (tmp_path / "kernels.json").write_text(json.dumps({"arch": "sm_90", "kernels": kernels}))
    (tmp_path / "1.cubin").write_bytes(b"1")
    (tmp_path / "2.cubin").write_bytes(b"22")
    made = Driver()
    monkeypatch.setattr(launch, "_FOLDER", tmp_path)
    monkeypatch.setattr(launch, "_cuda", lambda: made)
    monkeypatch.setattr(launch, "_place", lambda: (0, None))
    launch._facts.cache_clear()
    yield made
    launch._facts.cache_clear()


def test_the_first_variant_that_fits_is_launched_with_its_arguments(driver: Driver) -> None:
    kernel, x = launch.Kernel("scale"), torch.zeros(64, dtype=torch.float16)
    kernel[(7, 2)](x, 77, 32, 0.5, BLOCK=launch.constexpr(64), num_warps=4)
    kernel[(7,)](x, 77, 33, 0.5, 64)
    kernel[(7,)](x[1:], 77, 32, 0.5, 64)
    kernel[(7,)](x, 77, 1 << 40, 0.5, 64)
    kernel[(0, 3)](x, 77, 32, 0.5, 64)
    assert [each[0] for each in driver.launched] == [1, 2, 2, 2], "an empty grid is not launched"
    assert driver.shared == [100_000]
    assert driver.launched[0][1] == [7, 2, 1, 128, 1, 1, 100_000]
    assert driver.launched[3][2] == [x.data_ptr(), 77, 1 << 40, 0.5]
    assert driver.launched[3][3] == 6, "four arguments and two pointers to scratch memory"


@pytest.mark.parametrize(
    ("dtype", "number", "block", "options"),
    [
        (torch.bfloat16, 77, 64, {}),
        (torch.float16, 1 << 31, 64, {}),
        (torch.float16, 77, 32, {}),
        (torch.float16, 77, 64, {"num_warps": 8}),
    ],
)
def test_what_was_not_compiled_is_refused(
    driver: Driver, dtype: torch.dtype, number: int, block: int, options: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match=r"No variant of scale was compiled .* export the folder again"):
        launch.Kernel("scale")[(1,)](torch.zeros(8, dtype=dtype), number, 16, 0.5, block, **options)
    assert driver.launched == []


def test_another_architecture_is_refused(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100")
    launch._check_device.cache_clear()
    with pytest.raises(RuntimeError, match=r"compiled for sm_90, but NVIDIA A100 is sm_80"):
        launch._check_device(0)


def test_the_drivers_errors_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    def describe(status: int, text: Any) -> None:
        text._obj.value = b"invalid argument"

    monkeypatch.setattr(launch, "_cuda", lambda: SimpleNamespace(cuGetErrorString=describe))
    with pytest.raises(RuntimeError, match="answered 1: invalid argument"):
        launch._check(1)


def test_what_cannot_be_exported_is_refused_before_anything_is_compiled(tmp_path: Path) -> None:
    problem = attention()
    with pytest.raises(ValueError, match="for NVIDIA GPUs"):
        export_aot(problem, family_for(attention(), H100).default(problem, H100), CPU, tmp_path / "folder")
    with pytest.raises(ValueError, match="'my-kernels' is to be imported"):
        export_aot(problem, default(problem), H100, tmp_path / "my-kernels")
    (tmp_path / "mine").mkdir()
    said = CliRunner().invoke(
        app, ["export", "--aot", "--force", "--gpu", "h100", "-o", str(tmp_path / "mine")]
    )
    assert said.exit_code == 2 and "exists already" in said.stderr
    assert (tmp_path / "mine").is_dir()


WITHOUT_A_GPU = """
import sys
sys.modules["triton"] = sys.modules["splashgen"] = None
import torch
from compiled import launch

class Driver:
    launched = []
    def cuModuleLoadData(self, module, data): module._obj.value = len(data); return 0
    def cuModuleGetFunction(self, function, module, symbol): function._obj.value = module.value; return 0
    def cuFuncSetAttribute(self, *arguments): return 0
    def cuLaunchKernel(self, function, *rest): self.launched.append(function.value); return 0

launch._cuda, launch._place = Driver, lambda: (0, None)
"""

RUN_ATTENTION = """
from compiled import attention
for length, width in ((77, 16), (1, 16), (40, 17)):
    q, k, v = (torch.zeros(1, 2, length, width, dtype=torch.float16)[..., :16] for _ in range(3))
    q.requires_grad_()
    attention(q, k, v).sum().backward()
print(*Driver.launched)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("grain")
def test_a_compiled_folder_runs_its_host_code_without_triton(tmp_path: Path) -> None:
    """Real binaries, a driver that only counts: usual arguments, one row, strides that are no multiples."""
    problem = attention(causal=True)
    export_aot(problem, default(problem), H100, tmp_path / "compiled")
    facts = json.loads((tmp_path / "compiled" / "kernels.json").read_text())
    assert facts["arch"] == "sm_90" and set(facts["kernels"]) >= {"_bound", "_output", "_dq", "_dkdv"}
    for kernel in facts["kernels"].values():
        for variant in kernel["variants"]:
            assert (tmp_path / "compiled" / variant["file"]).read_bytes()[:4] == b"\x7fELF"
            assert variant["shared"] <= H100.shared_memory
    launches = run_alone(tmp_path, RUN_ATTENTION).split()
    each = len(launches) // 3
    assert each >= len(facts["kernels"]) and len(launches) == 3 * each
    assert launches[:each] == launches[each : 2 * each] != launches[2 * each :]


RUN_ENTMAX = """
from compiled import entmax
for length in (1, 5, 16, 17, 31, 32):
    x = torch.zeros(3, length, requires_grad=True)
    entmax(x).sum().backward()
print(len(Driver.launched))
try:
    entmax(torch.zeros(3, 33))
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_compiled_entmax_takes_every_length_up_to_its_own(tmp_path: Path) -> None:
    problem = Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, 32)
    export_aot(problem, default(problem), H100, tmp_path / "compiled")
    count, sentence = run_alone(tmp_path, RUN_ENTMAX).splitlines()
    assert int(count) == 12
    assert sentence.startswith("No variant of _forward_held was compiled for these arguments")


def run_alone(folder: Path, script: str) -> str:
    """What the script prints in a process without triton and splashgen, its driver one that only counts."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", WITHOUT_A_GPU + script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout

"""Repeated launches: same binaries, grids and arguments without a question; none where they may differ."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

import splashgen
from splashgen import attend
from splashgen import direct as direct_launches
from splashgen.direct import Direct, likeness
from splashgen.dispatch import clear
from splashgen.kernel import Kernel
from splashgen.launches import with_functions

HOST = """
def forward(q, k, v, scale, alpha=None):
    out = torch.empty_like(q)
    for name in NAMES:
        globals()[name][(3,)](q, out, q.shape[2], num_warps=4)
    return out, (out,)


def backward(dout, q, k, v, scale, saved, alpha=None):
    _first[(1, 2)](dout, q.stride(2), num_warps=4)
    return dout, dout, dout
"""


class _Kernels:
    """A module whose Triton functions say when they are asked and when they are launched."""

    def __init__(self, names: list[str]) -> None:
        from triton.runtime.jit import KernelInterface

        self.asked: list[str] = []
        self.launched: list[tuple[Any, ...]] = []
        self.compiled: dict[str, Any] = {}
        outer = self

        class Function(KernelInterface[Any]):
            def __init__(self, name: str) -> None:
                self.name = name

            def run(self, *args: Any, grid: Any, warmup: bool, **options: Any) -> Any:
                outer.asked.append(self.name)
                outer.launched.append((self.name, (*grid, 1, 1)[:3], *args))
                return outer.compiled.setdefault(self.name, Compiled(self.name))

        class Compiled:
            def __init__(self, name: str) -> None:
                self.name = name

            def __getitem__(self, grid: tuple[int, int, int]) -> Callable[..., None]:
                return lambda *args: outer.launched.append((self.name, grid, *args))

        module = ModuleType("host")
        functions = {name: Function(name) for name in ("_first", "_second")}
        vars(module).update(torch=torch, NAMES=names, **functions)
        exec(HOST, vars(module))
        self.module = module
        nothing: Any = None
        self.kernel = Kernel(nothing, nothing, nothing, module, module.forward, module.backward)


def _tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    q, k, v = torch.zeros(3, 1, 2, 8, 16).unbind()
    return q, k, v


def test_the_second_call_launches_the_same_and_asks_nothing() -> None:
    kernels = _Kernels(["_first", "_second"])
    direct, tensors = Direct(kernels.kernel), _tensors()
    direct.forward(*tensors, 0.5)
    assert kernels.asked == ["_first", "_second"]
    first = kernels.launched.copy()
    kernels.launched.clear()
    out, saved = direct.forward(*tensors, 0.5)
    assert kernels.asked == ["_first", "_second"]
    assert [launch[:2] for launch in kernels.launched] == [launch[:2] for launch in first]
    assert kernels.launched == [
        ("_first", (3, 1, 1), *_given(tensors[0], out)),
        ("_second", (3, 1, 1), *_given(tensors[0], out)),
    ]
    assert saved[0] is out


def _given(q: torch.Tensor, out: torch.Tensor) -> tuple[Any, ...]:
    return q, out, q.shape[2]


def test_a_function_that_is_launched_twice_is_asked_each_time() -> None:
    kernels = _Kernels(["_first", "_first"])
    direct, tensors = Direct(kernels.kernel), _tensors()
    for _ in range(2):
        direct.forward(*tensors, 0.5)
    assert kernels.asked == ["_first"] * 4


def test_a_backward_pass_is_repeated_for_tensors_that_lie_alike() -> None:
    kernels = _Kernels(["_first"])
    direct, (q, k, v) = Direct(kernels.kernel), _tensors()
    out, saved = direct.forward(q, k, v, 0.5)
    kernels.asked.clear()
    other = q.transpose(1, 2).contiguous().transpose(1, 2)
    for dout in (out, out, other, other):
        direct.backward(dout, q, k, v, 0.5, saved)
    assert len(kernels.asked) == 2, "one for each kind of strides"
    direct.backward(out, other, k, v, 0.5, saved)
    assert len(kernels.asked) == 3, "query was stored with other strides since"
    for _ in range(2):
        direct.backward(out, q, k, v, 0.5, (other,))
    assert len(kernels.asked) == 4, "so was what the forward pass keeps"
    odd = torch.zeros(out.numel() + 1)[1:].view(out.shape)
    for _ in range(2):
        direct.backward(odd, q, k, v, 0.5, saved)
        direct.backward(out, q, k, v, 0.5, (odd,))
        direct.backward(out, q, k, v, 0.5, saved, alpha=odd)
    assert len(kernels.asked) == 10, "nothing is known of addresses that 16 does not divide"


def test_views_into_a_growing_buffer_do_not_fill_the_memory() -> None:
    kernels = _Kernels(["_first"])
    plan: Any = SimpleNamespace(kernel=kernels.kernel, directs={})
    direct, (q, k, v) = Direct(kernels.kernel), _tensors()
    _, saved = direct.forward(q, k, v, 0.5)
    views = [torch.zeros(1, 2, length, 16)[:, :, :8] for length in range(8, 208)]
    for view in views:
        settled, *_ = attend._settled(plan, view, k, v, {})
        direct.backward(view, q, k, v, 0.5, saved)
    assert len(plan.directs) == len(direct._backwards) == direct_launches._MOST
    assert attend._settled(plan, views[-1], k, v, {})[0] is settled, "the newest are kept"
    kernels.asked.clear()
    direct.backward(views[-1], q, k, v, 0.5, saved)
    assert not kernels.asked
    direct.backward(views[0], q, k, v, 0.5, saved)
    assert len(kernels.asked) == 1, "the oldest are asked for again"


def test_calls_of_growing_lengths_share_what_they_launch_with(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = _Kernels(["_first", "_second"])
    made: list[str] = []

    def counted(module: ModuleType, name: str, *others: Any) -> Callable[..., Any]:
        made.append(name)
        return with_functions(module, name, *others)

    monkeypatch.setattr(direct_launches, "with_functions", counted)
    for length in (8, 9, 10):
        q, k, v = torch.zeros(3, 1, 2, length, 16).unbind()
        direct = Direct(kernels.kernel)
        out, saved = direct.forward(q, k, v, 0.5)
        direct.backward(out, q, k, v, 0.5, saved)
    assert made == ["forward", "forward", "backward", "backward"], "to watch and to repeat, of each one"


def test_threads_learn_from_their_own_launches() -> None:
    kernels = _Kernels(["_first", "_second"])
    meet = threading.Barrier(2, timeout=30)
    run = type(vars(kernels.module)["_first"]).run

    def at_once(self: Any, *args: Any, **options: Any) -> Any:
        meet.wait()
        return run(self, *args, **options)

    vars(kernels.module)["_first"].run = at_once.__get__(vars(kernels.module)["_first"])
    directs = [Direct(kernels.kernel) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda direct: direct.forward(*_tensors(), 0.5), directs))
    kernels.asked.clear()
    for direct in directs:
        direct.forward(*_tensors(), 0.5)
    assert kernels.asked == []


def test_likeness_is_of_strides_and_addresses() -> None:
    whole = torch.zeros(4, 8, 16)
    assert likeness(whole, whole[1:]) == ((128, 16, 1), (128, 16, 1))
    assert likeness(whole) != likeness(whole.transpose(0, 1))
    assert likeness(whole, whole[..., 1:]) is None


CHILD = """
import json, sys
from types import SimpleNamespace
import torch, triton
from triton.runtime.jit import JITFunction
from splashgen.alpha import AlphaClass
from splashgen.compile.recorder import _Driver
from splashgen.direct import Direct
from splashgen.gpu import KNOWN_GPUS
from splashgen.kernel import build
from splashgen.problem import DType, Operation, Problem
from splashgen.store import lookup

gpu, log = KNOWN_GPUS["h100"], []


def seen(value):
    if isinstance(value, torch.Tensor):
        return str(value.dtype), list(value.shape), list(value.stride())
    return [list(value.shape), list(value.block_shape)] if hasattr(value, "block_shape") else value


class Driver(_Driver):
    def __init__(self, gpu):
        super().__init__(gpu)
        self.utils = SimpleNamespace(load_binary=self.load, get_device_properties=self.properties)

    def load(self, name, binary, shared, device):
        return object(), f"{name} {hash(binary)}", 32, 0, 1024

    def properties(self, device):
        return {"max_shared_mem": gpu.shared_memory}

    def launcher_cls(self, source, metadata):
        def launch(x, y, z, stream, function, packed, facts, enter, leave, *args):
            log.append([function, [x, y, z], [seen(each) for each in args]])
        return launch


triton.runtime.driver.set_active(Driver(gpu))
ask, told = JITFunction.run, []


def refuse(self, *args, **options):
    raise AssertionError("Triton was asked")


for switches in json.loads(sys.argv[1]):
    alpha = AlphaClass.GENERIC if switches.get("learned_alpha") else AlphaClass.TWO
    problem = Problem(Operation.ATTENTION, alpha, DType.FLOAT16, 128, 16, 16, **switches)
    kernel = build(problem, lookup(problem, gpu).config)
    q, k, v = torch.zeros(3, 2, 4, 128, 16, dtype=torch.float16).unbind()
    features = {"alpha": torch.full((4,), 1.5)} if alpha is AlphaClass.GENERIC else {}
    if problem.window:
        features |= {"window_left": 40, "window_right": 3}
    if problem.key_padding:
        features["key_padding"] = torch.ones(2, 128, dtype=torch.bool)
    direct, runs = Direct(kernel), []
    for run in (ask, refuse):
        JITFunction.run = run
        log.clear()
        out, saved = direct.forward(q, k, v, 0.25, **features)
        if problem.training:
            direct.backward(out, q, k, v, 0.25, saved, **features)
        runs.append(list(log))
    JITFunction.run = ask
    told.append(runs)
print(json.dumps(told))
"""


@pytest.mark.slow
def test_compiled_kernels_get_what_triton_would_give_them(tmp_path: Path) -> None:
    kinds = [
        {"training": True, "causal": True},
        {"training": False},
        {"training": True, "window": True, "key_padding": True, "learned_alpha": True},
    ]
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CHILD, json.dumps(kinds)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-2000:]
    for (first, second), launches in zip(json.loads(ended.stdout), (5, 3, 5), strict=True):
        assert len(first) == launches
        assert first == second


def _results(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options: Any) -> list[torch.Tensor]:
    q, k, v = (one.detach().requires_grad_() for one in (q, k, v))
    out = splashgen.attention(q, k, v, **options)
    return [out.detach(), *torch.autograd.grad(out.float().square().sum(), (q, k, v))]


@pytest.mark.gpu
@pytest.mark.parametrize("head_dim", [64, 20])
@pytest.mark.parametrize("kind", ["plain", "masked", "generic"])
def test_repeated_launches_have_the_same_bits(head_dim: int, kind: str) -> None:
    """However the tensors lie that a shape was seen with before, and lie in the next call."""
    n = 200
    torch.manual_seed(0)
    whole = torch.randn(3, 2, 4, n, head_dim, device="cuda", dtype=torch.bfloat16)
    options: dict[str, Any] = {"is_causal": True}
    if kind == "masked":
        lengths = torch.tensor([n, n // 2], device="cuda")
        options |= {
            "key_padding": lengths,
            "alibi_slopes": torch.rand(4, device="cuda"),
            "window_size": (90, 0),
        }
    if kind == "generic":
        options["alpha"] = torch.full((4,), 1.4, device="cuda")
    q, k, v = whole.unbind()

    def crosswise(x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).contiguous().transpose(1, 2)

    def odd(x: torch.Tensor) -> torch.Tensor:
        return torch.empty(x.numel() + 3, device="cuda", dtype=x.dtype)[3:].view(x.shape).copy_(x)

    def strided(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x, -x], 2)[:, :, 0]

    clear()
    expected = _results(q, k, v, **options)
    ways = [(one, one, one) for one in (lambda x: x, crosswise, odd, strided)]
    ways += [(crosswise, odd, strided), (lambda x: x, crosswise, odd)]
    for _ in range(3):
        for ways_of in ways:
            laid = [way(one) for way, one in zip(ways_of, (q, k, v), strict=True)]
            for one, other in zip(_results(*laid, **options), expected, strict=True):
                assert torch.equal(one, other)
    if kind == "generic":
        alpha = torch.full((6,), 1.4, device="cuda")[1:5]
        assert torch.equal(_results(q, k, v, is_causal=True, alpha=alpha)[0], expected[0])
    with torch.autograd.graph.save_on_cpu():
        stored = _results(*(crosswise(one) for one in (q, k, v)), **options)
    for one, other in zip(stored, expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.gpu
def test_a_second_call_asks_triton_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from triton.runtime.jit import JITFunction

    clear()
    q, k, v = torch.randn(3, 1, 2, 256, 64, device="cuda", dtype=torch.bfloat16).unbind()
    expected = _results(q, k, v, is_causal=True)
    monkeypatch.setattr(JITFunction, "run", lambda *args, **options: pytest.fail("Triton was asked."))
    for one, other in zip(_results(q, k, v, is_causal=True), expected, strict=True):
        assert torch.equal(one, other)


def test_nothing_is_repeated_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    clear()
    monkeypatch.setattr(attend, "Direct", lambda kernel: pytest.fail("There is nothing to repeat."))
    q, k, v = torch.randn(3, 1, 2, 32, 16).unbind()
    for _ in range(2):
        splashgen.attention(q, k, v)

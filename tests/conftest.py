"""The setting of every test: folders of its own, Triton's interpreter where there is no GPU."""

import importlib
import os
import tempfile
from importlib.util import find_spec

import pytest
import torch
from quick_interpreter import quicken

_FOLDERS = tempfile.TemporaryDirectory(prefix="splashgen-tests-")
for _name in ("CACHE", "CONFIG", "STATE"):
    os.environ[f"SPLASHGEN_{_name}_DIR"] = os.path.join(_FOLDERS.name, _name.lower())

if "PYTEST_XDIST_WORKER" in os.environ and "OMP_NUM_THREADS" not in os.environ:
    # Workers share the cores; with more threads than those, torch takes up to ten times as long.
    os.environ["OMP_NUM_THREADS"] = "1"  # for processes that tests start
    torch.set_num_threads(1)

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # triton reads it when it is imported
    if find_spec("triton"):
        quicken(importlib.import_module("triton.runtime.interpreter"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `gpu` are skipped where there is none."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a GPU"))


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Where Triton's kernels run: interpreted on the CPU, or on the GPU if there is one."""
    if request.param == "cpu" and torch.cuda.is_available():
        pytest.skip("Triton compiles for the GPU in this process")
    return torch.device(request.param)


@pytest.fixture(params=["tiles", "rows"])
def grain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the lists of attention in Triton name, whatever the length; the default's choice depends on it."""
    from marking import forget, mark_heads

    from splashgen.families.attention_triton import defaults

    monkeypatch.setattr(defaults, "_grain", lambda problem: request.param)
    mark_heads(monkeypatch)
    request.addfinalizer(forget)
    return str(request.param)


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tuner's workers start quickly, forked from a process that has imported torch."""
    import forked_workers

    forked_workers.use(monkeypatch)

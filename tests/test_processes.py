"""The fast road in threads, forked processes, data loaders and ranks."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import splashgen
from splashgen import dispatch, kernel

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX")


@pytest.fixture(autouse=True)
def own_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("SPLASHGEN_FALLBACK", "quiet")
    dispatch.clear()
    yield
    dispatch.clear()


def test_threads_that_call_for_the_first_time_together() -> None:
    x = torch.randn(4, 33, generator=torch.Generator().manual_seed(0))
    right = splashgen.entmax(x, 1.5)
    dispatch.clear()
    kernel._build.cache_clear()
    start = threading.Barrier(16)

    def call(_: int) -> torch.Tensor:
        start.wait()
        return splashgen.entmax(x, 1.5)

    with ThreadPoolExecutor(16) as pool:
        assert all(torch.equal(right, found) for found in pool.map(call, range(16)))


def test_a_process_forked_while_a_thread_builds_a_kernel_can_build_its_own() -> None:
    dispatch.clear()
    kernel._build.cache_clear()
    with kernel._LOCK, dispatch._lock:
        child = os.fork()
        if child == 0:
            try:
                torch.set_num_threads(1)
                total = splashgen.entmax(torch.zeros(1, 8), 1.25).sum()
                os._exit(0 if abs(float(total) - 1.0) < 1e-5 else 1)
            except BaseException:
                os._exit(2)
        assert _ended(child) == 0


def _ended(child: int, seconds: float = 30.0) -> int:
    """The exit status of a child, which is ended if it hangs."""
    alarm = threading.Timer(seconds, os.kill, [child, 9])
    alarm.start()
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        alarm.cancel()


class Rows(torch.utils.data.Dataset):
    """Each item is computed by splashgen, in whichever process asks."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        return splashgen.sparsemax(torch.arange(5.0) * index)


def test_workers_of_a_data_loader() -> None:
    splashgen.sparsemax(torch.zeros(5))  # the parent has kernels already
    loader = torch.utils.data.DataLoader(Rows(), batch_size=2, num_workers=2)
    found = torch.cat(list(loader))
    assert torch.equal(found, torch.stack([Rows()[index] for index in range(4)]))


ANSWER = """
from splashgen.alpha import AlphaClass
from splashgen.gpu import KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem
from splashgen.store import lookup
import splashgen
print(splashgen.table_digest())
for length in (1, 5000, 100_000):
    problem = Problem(Operation.ATTENTION, AlphaClass.THREE_HALVES, DType.BFLOAT16, length, 80, 80)
    print(lookup(problem, KNOWN_GPUS["h100"]).config)
"""


def test_processes_with_the_same_files_choose_alike() -> None:
    said = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", ANSWER], env=environment, capture_output=True, text=True, check=True
        )
        said.add(done.stdout)
    assert len(said) == 1 and len(said.pop().splitlines()) == 4


RANK = """
import torch.distributed, splashgen
torch.distributed.init_process_group("gloo")
digests = [None] * torch.distributed.get_world_size()
torch.distributed.all_gather_object(digests, splashgen.table_digest())
assert len(digests) == 2 and len(set(digests)) == 1, digests
"""


@pytest.mark.slow
def test_ranks_of_torchrun_can_check_that_they_agree(tmp_path: Path) -> None:
    (tmp_path / "rank.py").write_text(RANK)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "rank.py"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]

"""A worker for every GPU of the machine; here the second one is a CPU worker with a lock of its own."""

import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from replay_fakes import LIMITS, PROBLEMS, TOOLS

from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.tune import crew
from splashgen.tune.device import visible_gpus
from splashgen.tune.processes.process import Process
from splashgen.tune.tuner import tune

POINTS = 20


class Gpus:
    """What torch tells of a machine with three GPUs, one of another kind."""

    names = ("NVIDIA H100 80GB HBM3", "NVIDIA L40S", "NVIDIA H100 80GB HBM3")

    def __init__(self, name: str) -> None:
        self.name = name


@pytest.mark.parametrize(("chosen", "visible"), [(None, ["0", "2"]), ("GPU-a, 5,GPU-c", ["GPU-a", "GPU-c"])])
def test_gpus_of_the_same_kind_get_a_worker(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None, visible: list[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: len(Gpus.names))
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: Gpus(Gpus.names[index]))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if chosen:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus(KNOWN_GPUS["h100"]) == visible
    assert visible_gpus(CPU) == []


def test_a_worker_that_is_just_being_started_ends_with_its_crew(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, start, children = threading.Event(), subprocess.Popen, []

    def slow(*command: Any, **options: Any) -> subprocess.Popen[bytes]:
        begun.set()
        time.sleep(0.5)
        children.append(start(*command, **options))
        return children[-1]

    monkeypatch.setattr(subprocess, "Popen", slow)
    monkeypatch.setattr(crew, "visible_gpus", lambda gpu: ["0", "1"])
    with crew.Crew(CPU, partial(time.sleep, 60.0)):
        assert begun.wait(10.0)
        (thread,) = (each for each in threading.enumerate() if each.name == "splashgen-gpu-1")
    thread.join(10.0)
    (child,) = children
    try:
        assert not thread.is_alive() and child.poll() == -signal.SIGKILL
    finally:
        child.kill()


@pytest.fixture
def second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of the worker on the second device."""
    environment = {"SPLASHGEN_TEST_WORKER": "second", "SPLASHGEN_STATE_DIR": str(tmp_path / "second")}
    monkeypatch.setenv("SPLASHGEN_TEST_WORKER", "first")
    monkeypatch.setenv("SPLASHGEN_TEST_LOG", str(tmp_path))

    def process(own: Mapping[str, str]) -> Process:
        return Process({**own, **environment})

    monkeypatch.setattr(crew, "Process", process)
    monkeypatch.setattr(crew, "visible_gpus", lambda gpu: ["0", "1"])
    return environment


@pytest.mark.slow
def test_the_devices_of_a_machine_share_the_candidates(
    second: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLASHGEN_TEST_CREW", "first second")
    report = tune(PROBLEMS, CPU, LIMITS, tools=TOOLS)
    assert [ended.entry.trials for ended in report.ended if ended.entry] == [POINTS, POINTS]
    done = [(tmp_path / f"{name}.log").read_text().splitlines() for name in ("first", "second")]
    assert all(done) and len(set(done[0] + done[1])) == len(done[0] + done[1]) == 2 * POINTS


@pytest.mark.slow
def test_a_worker_that_cannot_start_is_reported_and_the_tuner_goes_on(
    second: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "second").write_text("not a folder")
    (ended,) = tune(PROBLEMS[:1], CPU, LIMITS, tools=TOOLS).ended
    assert ended.entry is not None and ended.entry.trials == POINTS
    assert "The worker on GPU 1 ended early: Studies cannot be kept in" in caplog.text

"""Rounds, graphs, floors and sensors, on a stopwatch that says what the test wants."""

import random
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tune_fakes import PROBLEM

from splashgen.alpha import AlphaClass
from splashgen.cases import case_for
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem
from splashgen.tune.measure import evaluate, sensors, timing
from splashgen.tune.measure.evaluate import Trial
from splashgen.tune.measure.floor import floors_ms
from splashgen.tune.measure.graphs import captured
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.measure.timing import Beside, Stopwatch, Subject, repeat

H100 = KNOWN_GPUS["h100"]


class Watch:
    """Says these times, the last one for ever, and counts the calls."""

    def __init__(self, laps: Iterable[float], graphs: bool = False) -> None:
        self._laps, self.graphs, self.calls = list(laps), graphs, 0

    def lap(self, call: Callable[[], Any]) -> tuple[float, Any]:
        self.calls += 1
        return (self._laps.pop(0) if len(self._laps) > 1 else self._laps[0]), call()


def _subject(
    watch: Watch, inputs: int = 1, training: bool = False, calls: list[str] | None = None
) -> Subject:
    calls = [] if calls is None else calls
    kernel = SimpleNamespace(backward=object() if training else None)
    case = SimpleNamespace(
        forward=lambda kernel, one: calls.append("forward"),
        backward=lambda kernel, one, result: calls.append("backward"),
    )
    return Subject(case, kernel, [{}] * inputs, watch)


def test_warming_up_ends_when_two_rounds_agree() -> None:
    watch = Watch([900.0, 3.0, 2.0, 1.5, 1.49, 1.0])
    _subject(watch).warm_up(seconds=60.0)
    assert watch.calls == 5


def test_warming_up_ends_when_the_time_is_up() -> None:
    watch = Watch([2.0**-step for step in range(50)])
    _subject(watch).warm_up(seconds=1e-9)
    assert watch.calls == 2


def test_forward_and_backward_count_together_on_each_input() -> None:
    assert _subject(Watch([1.0, 2.0, 10.0, 20.0]), inputs=2, training=True).round() == (3.0, 30.0)


def _graphs(monkeypatch: pytest.MonkeyPatch, refused: str = "") -> list[str]:
    """Graphs whose replays are noted; the passes named cannot be recorded."""
    replays: list[str] = []

    def capture(call: Callable[[], Any]) -> Any:
        calls_before = len(CALLS)
        call()
        name = CALLS[calls_before]
        return None if name == refused else (lambda: replays.append(name), name)

    monkeypatch.setattr(timing, "captured", capture)
    CALLS.clear()
    return replays


CALLS: list[str] = []


@pytest.mark.parametrize(
    ("lap_ms", "refused", "replayed"),
    [(0.02, "", ["forward", "backward"]), (0.2, "", []), (0.02, "forward", []), (0.02, "backward", [])],
)
def test_short_calls_are_replayed_from_graphs(
    monkeypatch: pytest.MonkeyPatch, lap_ms: float, refused: str, replayed: list[str]
) -> None:
    replays = _graphs(monkeypatch, refused)
    subject = _subject(Watch([lap_ms], graphs=True), training=True, calls=CALLS)
    subject.warm_up(seconds=1.0)
    replays.clear()
    subject.round()
    assert replays == replayed


class Event:
    """Of a device whose calls take 2 ms."""

    def __init__(self, enable_timing: bool) -> None:
        pass

    def record(self) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, end: "Event") -> float:
        return 2.0


def test_the_device_is_kept_busy_for_longer_than_the_host_took(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, cycles = [0.0], []
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "_sleep", cycles.append)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock[0])
    watch = Stopwatch(torch.device("cpu"))
    for host_seconds in (10.0, 1e-3, 0.0):
        assert watch._lap_cuda(lambda: clock.append(clock.pop() + host_seconds))[0] == 2.0  # noqa: B023
    assert cycles[0] == 0 and cycles[1] == 2e-3 * timing._BUSY_CLOCKS, "compiling took 10 s"
    assert cycles[2] == pytest.approx(1.5 * 1e-3 * 2e9), "half again as long, at 2 GHz"


@pytest.mark.gpu
def test_a_captured_call_is_replayed_and_one_that_reads_back_is_not() -> None:
    x = torch.ones(3, device="cuda")
    replay, result = captured(lambda: 2.0 * x) or pytest.fail("It was not captured.")
    x.fill_(5.0)
    replay()
    assert result.tolist() == [10.0] * 3
    assert captured(lambda: x.sum().item()) is None
    assert (x + 1.0).tolist() == [6.0] * 3, "the device goes on"


def _beside(subject: Watch, anchor: Watch, inputs: int = 2, seconds: float = 60.0) -> list[tuple[float, ...]]:
    """Rounds of a subject beside an anchor that took 1 ms, and is the best so far."""
    beside = Beside(_subject(anchor, inputs=inputs), (1.0,) * inputs)
    return list(repeat(_subject(subject, inputs=inputs), seconds, beside, beside.laps))


def test_a_candidate_that_is_certainly_slower_is_timed_in_few_rounds() -> None:
    assert len(_beside(Watch([1.05]), Watch([1.0]), inputs=4)) == 2
    assert len(_beside(Watch([1.05]), Watch([1.0]), inputs=2)) == 4
    assert len(_beside(Watch([2.1]), Watch([1.0]), inputs=1)) == 2


def test_a_near_one_is_timed_until_it_is_known_how_near() -> None:
    assert len(_beside(Watch([1.02]), Watch([1.0]))) == 6
    draw = random.Random(0)
    noisy = [draw.uniform(0.95, 1.05) for _ in range(2000)]
    assert len(_beside(Watch(noisy), Watch([1.0]))) == 200, "as many rounds as there are at most"
    assert len(_beside(Watch(noisy), Watch([1.0]), seconds=1e-9)) == 5


def test_without_a_best_or_an_anchor_it_is_timed_while_there_is_time() -> None:
    anchor = Beside(_subject(Watch([1.0])), (1.0,))
    assert len(list(repeat(_subject(Watch([1.0])), 60.0, anchor))) == 200
    assert len(list(repeat(_subject(Watch([1.02])), 60.0, best=(1.0,)))) == 200
    assert len(list(repeat(_subject(Watch([1.05])), 60.0, best=(1.0,)))) == 8


def test_slower_on_one_input_and_faster_on_the_other_is_no_reason_to_stop() -> None:
    assert len(_beside(Watch([1.05, 0.9] * 2000), Watch([1.0]))) == 6


def test_a_device_that_slows_down_slows_down_both() -> None:
    """The anchor took 1 ms and takes 1.5 by now, so a candidate of 1.2 ms would have taken 0.8."""
    assert _beside(Watch([1.2]), Watch([1.5]))[-1] == pytest.approx((0.8, 0.8))


def test_each_of_the_two_is_first_in_every_other_round() -> None:
    order: list[str] = []

    def named(name: str) -> Any:
        return SimpleNamespace(round=lambda: order.append(name) or (1.0,))

    beside = Beside(named("anchor"), (1.0,))
    beside.round(named("candidate"), first=True)
    beside.round(named("candidate"), first=False)
    assert order == ["candidate", "anchor", "anchor", "candidate"]


def test_the_floor_is_what_has_to_be_read_and_multiplied() -> None:
    rows = Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT32, seq_len=64, training=False)
    x = {"x": torch.empty(3352 * 10**3 // 4), "dy": torch.empty(0)}
    assert floors_ms(rows, H100, [x, x]) == pytest.approx((0.9e-3, 0.9e-3))
    assert floors_ms(rows, CPU, [x]) == (0.0,), "nothing is known of this chip"

    causal = Problem(Operation.ATTENTION, AlphaClass.TWO, DType.BFLOAT16, 512, 64, 64, causal=True)
    inputs = case_for(Operation.ATTENTION).draw(causal, "gaussian", 0, torch.device("cpu"))
    tokens, pairs = 2 * 2 * 512 * 64, 2 * 2 * 512 * 512 / 2
    read, products = case_for(Operation.ATTENTION).least_work(causal, inputs)
    assert (read, products) == (2 * tokens * 7, pairs * 64)
    assert case_for(Operation.ATTENTION).least_work(replace(causal, window=True), inputs)[1] == 0


def _timed_by(monkeypatch: pytest.MonkeyPatch, watches: list[Watch]) -> Outcome:
    monkeypatch.setattr(evaluate, "Stopwatch", lambda device: watches.pop(0))
    monkeypatch.setattr(evaluate, "floors_ms", lambda problem, gpu, inputs: (1.0,) * len(inputs))
    monkeypatch.setattr(
        evaluate,
        "bucket_inputs",
        lambda problem, seed, device, regime: (({"x": torch.ones(2, 4), "features": {}},),) * 2,
    )
    trial = Trial(PROBLEM, None, CPU, seed=1, seconds=0.01)
    kernel = SimpleNamespace(forward=lambda x: x, backward=None)
    return evaluate._timed(trial, kernel, Outcome(Status.OK), torch.device("cpu"))


def test_a_time_below_the_floor_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = _timed_by(monkeypatch, [Watch([0.5]), Watch([1.5])])
    assert (
        outcome.ok
        and outcome.median == 1.5
        and outcome.laps == (1.5, 1.5)
        and outcome.ragged == outcome.samples
    )


def test_a_time_that_stays_below_the_floor_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = _timed_by(monkeypatch, [Watch([0.5]), Watch([0.6])])
    assert outcome.status is Status.IMPLAUSIBLE
    assert "0.6 ms" in outcome.reason and "1 ms" in outcome.reason
    assert outcome.samples == ()


class Nvml:
    """Two readings of a GPU that gets warm and slows down."""

    NVML_CLOCK_SM = NVML_CLOCK_MEM = NVML_TEMPERATURE_GPU = 0
    nvmlClocksThrottleReasonSwPowerCap = 4
    nvmlClocksThrottleReasonHwSlowdown = 8
    nvmlClocksThrottleReasonSwThermalSlowdown = 32
    nvmlClocksThrottleReasonHwThermalSlowdown = 64
    nvmlClocksThrottleReasonHwPowerBrakeSlowdown = 128

    def __init__(self) -> None:
        self.readings = 0

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        assert uuid == "GPU-1234"
        return uuid

    def nvmlDeviceGetClockInfo(self, handle: str, kind: int) -> int:
        return 1980

    def nvmlDeviceGetTemperature(self, handle: str, kind: int) -> int:
        self.readings += 1
        return 40 + 10 * self.readings

    def nvmlDeviceGetPowerUsage(self, handle: str) -> int:
        return 650_000

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: str) -> int:
        return 4 | 1 if self.readings == 2 else 1


def _cuda(monkeypatch: pytest.MonkeyPatch, nvml: object) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid="1234"))
    sensors._sensors.cache_clear()


def test_sensors_are_read_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    _cuda(monkeypatch, Nvml())
    with sensors.observed(torch.device("cuda")) as conditions:
        pass
    sensors._sensors.cache_clear()
    assert conditions["temperature_c_before"] == 60 and conditions["temperature_c_after"] == 70
    assert conditions["throttled"] == "power_cap", "idling is no reason"
    assert conditions["power_w_after"] == 650.0 and conditions["clock_mhz_before"] == 1980


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_a_measurement_goes_without_sensors(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    _cuda(monkeypatch, None)
    with sensors.observed(torch.device(kind)) as conditions:
        pass
    sensors._sensors.cache_clear()
    assert conditions == {}

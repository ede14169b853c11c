"""Where the time of a first call goes: each second once, over threads, and what no span covers."""

import threading
import time
from types import SimpleNamespace

import pytest

from splashgen.bench.spans import Spans


def test_a_second_is_counted_once() -> None:
    spans = Spans()
    with spans.span("outer"):
        time.sleep(0.02)
        for _ in range(2):
            with spans.span("inner"):
                time.sleep(0.03)
    inner, outer = spans.take()
    assert (inner[0], inner[2], outer[0], outer[2]) == ("inner", 2, "outer", 1)
    assert 0.06 <= inner[1] < 0.2
    assert 0.02 <= outer[1] < 0.06
    assert spans.take() == []


def test_a_wrapped_function_is_a_span_named_after_its_call() -> None:
    def double(number: int) -> int:
        if number < 0:
            raise ValueError
        return 2 * number

    spans, owner = Spans(), SimpleNamespace(double=double)
    spans.wrap(owner, "double", lambda number: f"double {number}")
    spans.wrap(owner, "no such function", "nothing")
    assert owner.double(4) == 8
    with pytest.raises(ValueError):
        owner.double(-1)
    assert [name for name, _, _ in spans.take()] == ["double 4", "double -1"]
    assert not hasattr(owner, "no such function")


def test_threads_beside_are_told_apart() -> None:
    spans = Spans()

    def work() -> None:
        with spans.span("work"):
            pass

    for name in ("autograd", "splashgen-1"):
        thread = threading.Thread(target=work, name=name)
        thread.start()
        thread.join()
    assert [name for name, _, _ in spans.take()] == ["work", "work (beside)"]


def test_what_no_span_covers_is_sampled() -> None:
    def forgotten() -> None:
        time.sleep(0.1)

    spans = Spans()
    with spans.watching():
        forgotten()
        with spans.span("known"):
            time.sleep(0.1)
    seconds = {place: took for place, took in spans.elsewhere() if "forgotten" in place}
    assert 0.02 < sum(seconds.values()) < 0.13
    assert spans.elsewhere() == []

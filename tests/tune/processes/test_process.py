import math
import os
import sys
import time

import pytest

from splashgen.tune.processes import process as module
from splashgen.tune.processes.process import CallCrashed, CallHung, Process


def test_a_dead_worker_is_replaced() -> None:
    with Process() as process:
        assert process.call(math.sqrt, 9.0, limit_s=30) == 3.0
        with pytest.raises(CallCrashed, match="SIGABRT"):
            process.call(os.abort, limit_s=30)
        with pytest.raises(CallCrashed, match="exit code 3"):
            process.call(os._exit, 3, limit_s=30)
        assert process.call(math.sqrt, 16.0, limit_s=30) == 4.0


def test_a_hanging_worker_is_ended() -> None:
    with Process() as process:
        first = process.call(os.getpid, limit_s=30)
        began = time.monotonic()
        with pytest.raises(CallHung, match=r"did not end within 0\.5 s"):
            process.call(time.sleep, 3600, limit_s=0.5)
        assert time.monotonic() - began < 20
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert process.call(os.getpid, limit_s=30) != first


def test_a_worker_that_hangs_up_and_lives_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAST_SECONDS", 0.5)
    with Process() as process:
        first = process.call(os.getpid, limit_s=30)
        with pytest.raises(CallCrashed, match=r"closed its connection and did not end within 0\.5 s"):
            process.call(_hang_up, limit_s=30)
        with pytest.raises(ProcessLookupError):
            os.kill(first, 0)
        assert process.call(math.sqrt, 9.0, limit_s=30) == 3.0


def _hang_up() -> None:
    """Close the connection of the worker that this runs in, and live for a while."""
    os.close(int(sys.argv[1]))
    time.sleep(20)


def test_a_process_that_cannot_be_started_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with Process() as process:
        before = os.listdir("/proc/self/fd")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", "/nowhere/python")
            process.prepare(os.getpid)
            with pytest.raises(CallCrashed, match=r"could not be started: .*'/nowhere/python'\.") as lost:
                process.call(math.sqrt, 9.0, limit_s=30)
            # The error holds on to the frames, so nothing is closed by being forgotten.
            assert len(os.listdir("/proc/self/fd")) == len(before), lost
        assert process.call(math.sqrt, 9.0, limit_s=30) == 3.0


def test_a_process_that_was_killed_does_not_start_again() -> None:
    with Process() as process:
        with pytest.raises(CallCrashed, match="SIGKILL"):
            process.call(time.sleep, 3600, limit_s=30, meanwhile=process.kill)
        process.prepare(os.getpid)
        with pytest.raises(CallCrashed, match="ended for good"):
            process.call(math.sqrt, 9.0, limit_s=30)


def test_a_process_that_was_prepared_is_the_one_that_answers() -> None:
    with Process() as process:
        process.prepare(os.getpid)
        process.prepare(os.abort)  # there is a process already
        assert process.call(math.sqrt, 9.0, limit_s=30) == 3.0
        assert process.call(math.sqrt, 16.0, limit_s=30) == 4.0


def test_what_goes_wrong_while_preparing_is_the_next_call_s() -> None:
    with Process() as process:
        process.prepare(math.sqrt, -1.0)
        assert process.call(math.sqrt, 9.0, limit_s=30) == 3.0, "an error keeps the worker"
        process.close()
        process.prepare(os._exit, 3)
        with pytest.raises(CallCrashed, match="exit code 3"):
            process.call(math.sqrt, 9.0, limit_s=30)
        assert process.call(math.sqrt, 16.0, limit_s=30) == 4.0


def test_the_caller_has_time_for_something_else() -> None:
    done: list[str] = []
    with Process() as process:
        assert process.call(math.sqrt, 9.0, limit_s=30, meanwhile=lambda: done.append("else")) == 3.0
        with pytest.raises(ValueError, match="from here"):
            process.call(time.sleep, 3600, limit_s=30, meanwhile=_fail)
        assert process.call(math.sqrt, 16.0, limit_s=30) == 4.0, "the worker that slept was ended"
    assert done == ["else"]


def _fail() -> None:
    raise ValueError("from here")


@pytest.mark.parametrize("error", [OSError("from here"), EOFError("from here")])
def test_an_error_of_the_caller_s_own_is_not_taken_for_a_lost_worker(error: Exception) -> None:
    def fail() -> None:
        raise error

    with Process() as process:
        with pytest.raises(type(error), match="from here") as raised:
            process.call(time.sleep, 3600, limit_s=30, meanwhile=fail)
        assert raised.value is error
        assert process.call(math.sqrt, 16.0, limit_s=30) == 4.0


def test_errors_of_the_function_come_back_and_keep_the_worker() -> None:
    with Process() as process:
        worker = process.call(os.getpid, limit_s=30)
        with pytest.raises(ValueError):
            process.call(math.sqrt, -1.0, limit_s=30)
        assert process.call(os.getpid, limit_s=30) == worker


def test_the_worker_leaves_with_its_tuner() -> None:
    with Process() as outer:
        orphan = outer.call(_start_a_hanging_worker, limit_s=60)
        os.kill(orphan, 0)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.kill(orphan, 0)
        except ProcessLookupError:
            return
        if _is_zombie(orphan):
            return
        time.sleep(0.1)
    pytest.fail("The worker outlived the process that had started it.")


def _start_a_hanging_worker() -> int:
    """The id of a worker that hangs, left behind by this process."""
    import threading

    inner = Process()
    pid: int = inner.call(os.getpid, limit_s=30)
    threading.Thread(target=_hang, args=[inner], daemon=True).start()
    return pid


def _hang(process: Process) -> None:
    process.call(time.sleep, 3600, limit_s=3600)


def _is_zombie(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] == "Z"

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from splashgen.alpha import AlphaClass
from splashgen.cli import app
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem
from splashgen.tune import Limits, Report
from splashgen.tune.show.events import Interrupted
from splashgen.tune.target import GpuNotHereError, choose_gpu

pytestmark = pytest.mark.usefixtures("folders")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What the command asks of the tuner, which does nothing."""
    calls: list[tuple] = []

    def tune(problems, gpu, limits, **options) -> Report:
        calls.append((problems, gpu, limits))
        return Report(())

    monkeypatch.setattr("splashgen.tune.tuner.tune", tune)
    return calls


def _run(*arguments: str):
    return CliRunner().invoke(app, ["tune", *arguments])


@pytest.mark.parametrize("name", ["a100", "H100", "gtx1"])
def test_another_gpu_is_one_sentence_exit_code_2_and_nothing_touched(folders: Path, name: str) -> None:
    result = _run("--gpu", name)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert f"--gpu {name.lower()}" in result.stderr and "no GPU" in result.stderr
    assert list(folders.iterdir()) == []


def test_a_name_that_is_none_is_told_from_a_gpu_that_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splashgen.tune.target.detect", lambda device=None: CPU)
    with pytest.raises(GpuNotHereError, match=r"--gpu foo is no name .*, and this .* a100, .*mi300x and cpu"):
        choose_gpu("foo")
    with pytest.raises(
        GpuNotHereError, match=r"--gpu h100 means NVIDIA H100 .*, but this machine has no GPU"
    ):
        choose_gpu("h100")


def test_the_gpu_of_the_machine_is_named_where_another_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splashgen.tune.target.detect", lambda device=None: KNOWN_GPUS["h100"])
    assert choose_gpu("auto") is choose_gpu("h100") is KNOWN_GPUS["h100"]
    with pytest.raises(GpuNotHereError, match=r"A100.*this machine has NVIDIA H100 80GB HBM3 \(h100\)"):
        choose_gpu("a100")


def test_options_name_a_problem_a_length(asked: list[tuple]) -> None:
    result = _run("--head-dim", "32", "--no-causal", "--alpha", "2", "--seq-len", "256", "--seq-len", "512")
    assert result.exit_code == 0, result.output
    problems = asked[0][0]
    assert [problem.seq_len for problem in problems] == [256, 512]
    expected = Problem(Operation.ATTENTION, AlphaClass.TWO, DType.FLOAT32, 256, 32, 32)
    assert problems[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("4/3", AlphaClass.FOUR_THIRDS), ("generic", AlphaClass.GENERIC)]
)
def test_alpha_is_named_as_everywhere(asked: list[tuple], text: str, expected: AlphaClass) -> None:
    assert _run("--alpha", text).exit_code == 0
    assert asked[0][0][0].alpha is expected


def test_entmax_has_no_heads(asked: list[tuple]) -> None:
    assert _run("--operation", "entmax", "--head-dim", "64").exit_code == 2
    assert _run("--operation", "entmax", "--inference").exit_code == 0
    assert asked[0][0] == (
        Problem(Operation.ENTMAX, AlphaClass.THREE_HALVES, DType.FLOAT32, 1024, training=False),
    )


def test_limits_of_the_user_replace_those_of_the_preset(asked: list[tuple]) -> None:
    _run("--preset", "quick", "--trials", "7")
    limits: Limits = asked[0][2]
    assert (limits.trials, limits.seconds, limits.total_seconds, limits.stall) == (7, None, None, None)
    _run("--preset", "quick", "--time", "9")
    assert (asked[1][2].trials, asked[1][2].seconds) == (None, 9.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--alpha", "1"), "softmax"),
        (("--alpha", "2.5"), "--alpha is 2.5"),
        (("--dtype", "int8"), "--dtype"),
        (("--dtype", "bfloat16"), "dtype is bfloat16, but must be float32 or float64 there, and calls with"),
    ],
)
def test_bad_options_are_one_sentence_and_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    result = _run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_log_that_cannot_be_written_names_its_option(folders: Path) -> None:
    result = _run("--log", str(folders / "nope" / "x.log"))
    assert result.exit_code == 1 and f"--log {folders / 'nope' / 'x.log'} cannot be written" in result.stderr


def test_an_output_that_cannot_be_written_is_refused_before_the_search(folders: Path) -> None:
    (folders / "file").touch()
    events, output = folders / "events", folders / "file" / "inside"
    options = ("--operation", "entmax", "--seq-len", "128", "--trials", "2", "--log", str(events))
    result = _run(*options, "--output", str(output))
    assert result.exit_code == 1 and not events.read_text()
    assert f"cannot be written to {output}" in result.stderr and "name another folder" in result.stderr
    assert "SPLASHGEN_CONFIG_DIR" not in result.stderr


def test_a_plan_is_only_asked_for_where_it_can_be_made(tmp_path: Path, asked: list[tuple]) -> None:
    on_cpu, worker = _run("--planned", "3"), _run("--planned", "3", "--worker")
    assert on_cpu.exit_code == worker.exit_code == 2 and not asked
    assert "--planned is 3, but gpu is 'cpu', whose rates are not known" in on_cpu.stderr
    assert "--planned and --seed are for the tuner that begins a search" in worker.stderr


def test_help_does_not_wait_for_torch() -> None:
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from splashgen.cli import app\n"
        "assert CliRunner().invoke(app, ['tune', '--help']).exit_code == 0\n"
        "print(sorted({'torch', 'triton', 'optuna'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_real_run_stores_what_it_prints(folders: Path) -> None:
    options = ("--operation", "entmax", "--preset", "quick", "--trials", "2", "--inference", "--quiet")
    result = _run(*options, "--seq-len", "128")
    assert result.exit_code == 0, result.output
    assert str(folders / "config" / "cpu.yaml") in result.stdout.replace("\n", "")
    assert (folders / "config" / "cpu.yaml").exists()
    again = _run(*options, "--seq-len", "100")
    assert again.exit_code == 0 and "128" in again.stdout


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_ctrl_c_is_answered_at_once_and_the_second_says_what_is_lost(
    monkeypatch: pytest.MonkeyPatch, quiet: tuple[str, ...]
) -> None:
    def tune(problems, gpu, limits, notify, **options) -> Report:
        notify(Interrupted(problems[0], confirms=True))
        raise KeyboardInterrupt

    monkeypatch.setattr("splashgen.tune.tuner.tune", tune)
    result = _run(*quiet)
    assert result.exit_code == 130
    first, second = result.stderr.splitlines()
    assert first == "Interrupted: the best so far is confirmed and stored; Ctrl-C again skips that."
    assert second.startswith("splashgen tune: stopped at once: what was not confirmed is not stored")


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_found_and_exits_with_130(folders: Path) -> None:
    log = folders / "log"
    command = [sys.executable, "-c", "from splashgen.cli import main; main()", "tune", "--gpu", "cpu"]
    problem = ["--operation", "entmax", "--seq-len", "128", "--inference"]
    limits = ["--preset", "quick", "--trials", "24", "--log", str(log)]
    # What runs in the background of a shell ignores Ctrl-C, and so do the processes that it starts.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    tuner = subprocess.Popen(
        [*command, *problem, *limits], stdout=subprocess.PIPE, text=True, preexec_fn=heeds
    )
    deadline = time.monotonic() + 120
    while not (log.exists() and "TrialEnded" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    tuner.send_signal(signal.SIGINT)
    printed, _ = tuner.communicate(timeout=120)
    assert tuner.returncode == 130, printed
    assert "Stored in" in printed
    assert (folders / "config" / "cpu.yaml").exists()
    assert log.read_text().count("TrialEnded") < 24

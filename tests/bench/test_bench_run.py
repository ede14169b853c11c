"""The whole path at toy size: measuring, resuming, failing peers, and time that runs out."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import splashgen
from splashgen.bench import measure as measure_module
from splashgen.bench.cells import GRID, TOY_GRID, Cell, select
from splashgen.bench.collected import Collected
from splashgen.bench.drawing import Drawing, inputs_of
from splashgen.bench.peers import OURS, PEERS, Peer, chosen, dense
from splashgen.bench.peers.peer import Attend
from splashgen.bench.results import BenchError, Results
from splashgen.bench.runner import Plan, run
from splashgen.bench.watchdog import EXIT_STATUS
from splashgen.gpu import KNOWN_GPUS
from splashgen.problem import DType

CPU = torch.device("cpu")
CELL = Cell(64, 16, "gaussian", 1, 1, DType.FLOAT32)
MATH = PEERS["sdpa_math"]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "cpu.json")


def _go(plan: Plan, results: Results) -> tuple[int, list[str]]:
    said: list[str] = []
    left = run(replace(plan, rounds=2), results, CPU, said.append)
    return left, said


def _row(results: Results, cell: Cell, peer: str, run_index: int = -1) -> dict:
    return results.data["cells"][cell.key]["runs"][run_index]["peers"][peer]


def _broken(cell: Cell, device: torch.device) -> Attend:
    raise RuntimeError("it broke\nsecond line")


def test_every_peer_of_a_cell_gets_a_row_with_raw_samples(results: Results) -> None:
    cells = select(TOY_GRID, [128], (), ["clustered2"])
    left, said = _go(Plan(cells, chosen([], [])), results)
    assert left == 0
    assert {"ours", *PEERS} == set(results.data["cells"][cells[0].key]["runs"][0]["peers"])
    ours = _row(results, cells[0], "ours")
    assert len(ours["forward_ms"]) == len(ours["backward_ms"]) == 2
    assert set(ours["errors"]) == {"out", "dq", "dk", "dv"}
    assert all(found <= budget for found, budget in ours["errors"].values())
    assert ours["config"] and ours["code_hash"]
    assert _row(results, cells[0], "flash2") == {"status": "unsupported", "reason": "It needs a GPU."}
    assert 0.0 < results.data["cells"][cells[0].key]["tile_density"] < 1.0
    assert "times mean nothing" in said[0]


def test_a_second_run_adds_only_what_is_missing(results: Results) -> None:
    _go(Plan([CELL], [OURS]), results)
    again = Results(results.path)
    _go(Plan([CELL], [OURS]), again)
    assert len(again.data["cells"][CELL.key]["runs"]) == len(again.data["sessions"]) == 1
    _go(Plan([CELL], [OURS, MATH]), again)
    assert set(again.data["cells"][CELL.key]["runs"][1]["peers"]) == {"ours", "sdpa_math"}
    _go(Plan([CELL], [OURS], again=True), again)
    assert len(Results(results.path).data["cells"][CELL.key]["runs"]) == 3


def test_a_failing_peer_is_a_row_and_the_others_go_on(results: Results) -> None:
    broken = Peer("broken", "Broken", _broken)
    left, said = _go(Plan([CELL], [OURS, broken, MATH]), results)
    assert left == 0
    assert _row(results, CELL, "broken") == {"status": "failed", "reason": "RuntimeError: it broke"}
    assert _row(results, CELL, "sdpa_math")["status"] == "ok"
    assert any("it broke" in line for line in said)


def test_a_peer_that_fails_while_it_is_timed_has_no_samples(results: Results) -> None:
    calls = []

    def attend(cell: Cell, device: torch.device) -> Attend:
        def forward(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            if len(calls) > 3:
                raise ValueError("no more")
            return (q @ k.mT).softmax(-1) @ v

        return forward

    _go(Plan([CELL], [OURS, Peer("tired", "Tired", attend, softmax=True)]), results)
    assert _row(results, CELL, "tired") == {"status": "failed", "reason": "ValueError: no more"}
    assert len(_row(results, CELL, "ours")["forward_ms"]) == 2


def test_a_lost_device_ends_the_run_and_the_next_goes_on_without_the_peer(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Peer("broken", "Broken", _broken)
    state = {"lost": False}

    def breaks(cell: Cell, device: torch.device) -> Attend:
        state["lost"] = True
        raise RuntimeError("illegal memory access")

    def synchronize(device: torch.device) -> None:
        if state["lost"]:
            raise RuntimeError("illegal memory access")

    monkeypatch.setattr(measure_module, "_synchronize", synchronize)
    plan = Plan([CELL], [OURS, replace(broken, attend=breaks)])
    left, said = _go(plan, results)
    assert left == 1 and "run the same command again" in said[-1]
    assert set(results.data["cells"][CELL.key]["runs"][0]["peers"]) == {"broken"}
    state["lost"] = False
    assert _go(plan, Results(results.path))[0] == 0
    assert _row(Results(results.path), CELL, "ours")["status"] == "ok"


def test_cells_beyond_the_budget_are_left(results: Results) -> None:
    left, _ = _go(Plan([CELL], [OURS], budget=-1.0), results)
    assert left == 1 and not results.data["cells"]


def test_a_slow_starter_waits_for_a_run_with_more_time(results: Results) -> None:
    slow = replace(MATH, name="slow", start_seconds=1e6)
    left, said = _go(Plan([CELL], [OURS, slow], budget=1e3), results)
    assert left == 1 and "slow is left" in said[-1]
    assert set(results.data["cells"][CELL.key]["runs"][0]["peers"]) == {"ours"}


def test_a_peer_that_takes_its_time_to_start_is_announced_once(results: Results) -> None:
    slow = replace(MATH, name="slow", title="Slow", start_seconds=20.0)
    _, said = _go(Plan([CELL, replace(CELL, seed=1)], [OURS, slow]), results)
    assert [line for line in said if "starts" in line] == ["n=64 d=16: Slow starts, which takes about 20 s."]


def test_softmax_is_compared_with_softmax_and_has_no_budget(results: Results) -> None:
    _go(Plan([CELL], [OURS, MATH]), results)
    errors = _row(results, CELL, "sdpa_math")["errors"]
    assert all(found < 1e-5 and budget is None for found, budget in errors.values())


def test_a_wrong_peer_has_a_large_error(results: Results) -> None:
    def attend(cell: Cell, device: torch.device) -> Attend:
        return lambda q, k, v: (q @ k.mT * 0.25).tril().softmax(-1) @ v

    _go(Plan([CELL], [OURS, Peer("wrong", "Wrong", attend)]), results)
    found, budget = _row(results, CELL, "wrong")["errors"]["out"]
    assert found > 10 * budget


def test_the_grid_is_that_of_the_issue() -> None:
    causal = [cell for cell in GRID if cell.causal]
    assert {cell.seq_len for cell in causal} == {4096, 8192, 16384, 32768, 65536}
    assert {cell.head_dim for cell in causal} == {64, 128}
    assert all(cell.batch == max(1, 32768 // cell.seq_len) and cell.heads == 16 for cell in GRID)
    assert len({cell.key for cell in GRID}) == len(GRID)


def test_selections_that_leave_nothing_say_what_there_is() -> None:
    with pytest.raises(ValueError, match="Lengths are 128, 256"):
        select(TOY_GRID, [77])
    with pytest.raises(ValueError, match="no workload 'gausian'"):
        select(TOY_GRID, workloads=["gausian"])
    with pytest.raises(ValueError, match="no peer 'flash9'"):
        chosen([], ["flash9"])


def test_ours_is_always_there_and_skipped_peers_are_not() -> None:
    assert [peer.name for peer in chosen(["flex"], [])] == ["ours", "flex"]
    assert "adasplash2" not in [peer.name for peer in chosen([], ["adasplash2"])]
    assert list(PEERS)[-1] == "adasplash2", "The slowest starter comes last."


def test_a_file_that_holds_no_results_is_refused(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"schema": 2}'):
        path = tmp_path / "bad.json"
        path.write_text(text)
        with pytest.raises(BenchError, match=r"bad\.json"):
            Results(path)


def _killed(cell: Cell, device: torch.device) -> Attend:
    raise KeyboardInterrupt


def test_a_killed_run_says_who_had_begun_and_the_next_replaces_its_rows(results: Results) -> None:
    killed = replace(MATH, name="killed", attend=_killed)
    with pytest.raises(KeyboardInterrupt):
        _go(Plan([CELL], [OURS, killed]), results)
    again = Results(results.path)
    left = again.data["cells"][CELL.key]["runs"][0]["peers"]
    assert left["ours"]["status"] == left["killed"]["status"] == "unfinished"
    assert left["ours"]["first_call_s"] > 0.0 and "first_call_s" not in left["killed"]
    assert Collected([again], "cpu").run(CELL.key, "ours") is None, "Nothing was timed."
    _go(Plan([CELL], [OURS, replace(killed, attend=MATH.attend)]), again)
    (run,) = Results(results.path).data["cells"][CELL.key]["runs"]
    assert {row["status"] for row in run["peers"].values()} == {"ok"}
    assert "reason" not in run["peers"]["ours"]


def test_the_others_are_saved_before_a_slow_starter_begins(results: Results) -> None:
    slow = replace(MATH, name="slow", start_seconds=20.0, attend=_killed)
    with pytest.raises(KeyboardInterrupt):
        _go(Plan([CELL], [OURS, slow, MATH]), results)
    saved = Results(results.path)
    assert saved.finished(CELL) == {"ours", "sdpa_math"}
    _go(Plan([CELL, replace(CELL, seed=1)], [OURS, replace(slow, attend=MATH.attend), MATH]), saved)
    assert set(saved.data["cells"][CELL.key]["runs"][-1]["peers"]) == {"ours", "slow"}
    # Where it has started once, it is measured in turn with everybody.
    (run,) = saved.data["cells"][replace(CELL, seed=1).key]["runs"]
    assert set(run["peers"]) == {"ours", "slow", "sdpa_math"}


HANGING = """
import sys, time
from dataclasses import replace
from pathlib import Path
import torch
from splashgen.bench.cells import Cell
from splashgen.bench.peers import OURS, PEERS
from splashgen.bench.results import Results
from splashgen.bench.runner import Plan, run
from splashgen.problem import DType

cell = Cell(64, 16, "gaussian", 1, 1, DType.FLOAT32)
hanging = replace(PEERS["sdpa_math"], name="hangs", title="Hangs", attend=lambda *_: time.sleep(1e3))
plan = Plan([cell, replace(cell, workload="gaussian6")], [hanging], rounds=1, start_limit=1.0)
print(run(plan, Results(Path(sys.argv[1])), torch.device("cpu"), print))
"""


@pytest.mark.slow
def test_a_peer_that_hangs_ends_the_run_and_is_left_out_of_the_next(results: Results) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(splashgen.__file__).parents[1])}
    command = [sys.executable, "-c", HANGING, str(results.path)]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert first.returncode == EXIT_STATUS
    assert "Hangs is too slow. Its first steps took longer than 1 s." in first.stdout
    assert "<string>" in first.stderr, "It says where each thread was."
    hanging = replace(MATH, name="hangs", attend=_broken)
    cells = [CELL, replace(CELL, workload="gaussian6")]
    _go(Plan(cells, [OURS, hanging]), Results(results.path))
    ended = Results(results.path)
    for cell in cells:
        assert ended.finished(cell) == {"ours", "hangs"}
        rows = [run["peers"].get("hangs") for run in ended.data["cells"][cell.key]["runs"]]
        assert [row["status"] for row in rows if row] == ["too slow"]
    sample = replace(CELL, workload="local_sink")
    _go(Plan([sample], [OURS]), ended)
    _go(Plan([sample], [OURS, hanging]), ended)
    runs = ended.data["cells"][sample.key]["runs"]
    assert [set(run["peers"]) for run in runs] == [{"ours"}, {"hangs"}], "Ours was there already."
    other = replace(CELL, head_dim=32)
    _go(Plan([other], [OURS, hanging]), ended)
    assert _row(ended, other, "hangs")["status"] == "failed", "Another shape may be faster."
    _go(Plan([CELL], [OURS, hanging], again=True), ended)
    assert _row(ended, CELL, "hangs")["status"] == "failed"


def test_a_step_that_takes_too_long_is_not_repeated(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure_module, "_LONGEST_STEP_S", 0.0)
    _go(Plan([CELL], [OURS]), results)
    row = _row(results, CELL, "ours")
    assert row["status"] == "too slow" and row["reason"].startswith("A step takes 0 s")


def test_scores_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = PEERS["dense_entmax"].refusal
    monkeypatch.setattr(dense, "detect", lambda device: KNOWN_GPUS["h100"])
    by_length = {cell.seq_len: refusal(cell, torch.device("cuda")) for cell in GRID}
    assert [length for length, why in sorted(by_length.items()) if why is None] == [4096]
    assert "69 GB" in str(by_length[8192]) and "the device has 86 GB" in str(by_length[8192])


def test_the_next_cells_inputs_are_drawn_before_anything_is_timed() -> None:
    following = replace(CELL, seed=5)
    with Drawing() as drawing:
        drawing.begin(following)
        drawing.wait()
        assert drawing._next is not None and drawing._next[1].done()
        drawn = drawing.take(following)
        assert drawn is not None
        pairs = zip(
            inputs_of(following, CPU, drawn).values(), inputs_of(following, CPU).values(), strict=True
        )
        assert all(torch.equal(*pair) for pair in pairs)
        drawing.begin(following)
        assert drawing.take(CELL) is None
        drawing.begin(None)
        assert drawing.take(CELL) is None

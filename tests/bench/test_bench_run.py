"""The whole path at toy size: measuring, resuming, failing peers, and time that runs out."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from splashgen.bench import measure as measure_module
from splashgen.bench.cells import GRID, TOY_GRID, Cell, select
from splashgen.bench.peers import OURS, PEERS, Peer, chosen
from splashgen.bench.peers.peer import Attend
from splashgen.bench.results import BenchError, Results
from splashgen.bench.runner import Plan, run
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

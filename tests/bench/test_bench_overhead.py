"""The overhead of a call: who is measured, and what counts."""

from pathlib import Path

import pytest
import torch

from splashgen.bench.cells import Cell
from splashgen.bench.check import check
from splashgen.bench.collected import Collected
from splashgen.bench.drawing import inputs_of
from splashgen.bench.overhead import CALLS, _bare, _timed, measure_overhead
from splashgen.bench.peers import OURS, PEERS, chosen
from splashgen.bench.results import Results
from splashgen.bench.targets import Targets
from splashgen.problem import DType

CPU = torch.device("cpu")
CELL = Cell(16, 16, "gaussian", 1, 2, DType.FLOAT32)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_FALLBACK", "quiet")


def test_everybody_is_called_in_every_way_and_samples_are_kept(tmp_path: Path) -> None:
    results, said = Results(tmp_path / "cpu.json"), []
    session = results.begin({"gpu": "cpu", "date": "2026-11-23"})
    peers = chosen(["sdpa_math", "flash2"], [])
    measure_overhead(results, session, CPU, peers, [16], 16, said.append, samples=3)
    entries = Results(results.path).data["overhead"]
    assert [entry["call"] for entry in entries] == list(CALLS)
    for entry in entries:
        rows = entry["peers"]
        assert rows["flash2"] == {"status": "unsupported", "reason": "It needs a GPU."}
        assert all(len(rows[name]["us"]) == 3 for name in ("ours", "bare", "sdpa_math"))
    assert len(said) == 3 and "ours - bare, round by round: " in said[0]


def test_the_bare_function_computes_what_ours_does() -> None:
    tensors = inputs_of(CELL, CPU)
    results = []
    for attend in (_bare(CELL, CPU), OURS.attend(CELL, CPU)):
        q, k, v = (tensors[name] for name in "qkv")
        out = attend(q, k, v)
        with torch.no_grad():
            assert torch.allclose(attend(q, k, v), out, atol=1e-5)
        results.append((out, *torch.autograd.grad(out, (q, k, v), tensors["dout"])))
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


def test_every_round_begins_with_another() -> None:
    order: list[str] = []
    calls = {name: (lambda name=name: order.append(name)) for name in ("a", "b", "c")}
    spent = _timed(calls, CPU, 3)
    assert ["".join(order[at : at + 3]) for at in range(len(order) - 9, len(order), 3)] == [
        "abc",
        "bca",
        "cab",
    ]
    assert all(len(times) == 3 for times in spent.values())


def test_a_peer_that_cannot_be_called_is_no_end(tmp_path: Path) -> None:
    results = Results(tmp_path / "cpu.json")
    session = results.begin({"gpu": "cpu", "date": "2026-11-23"})
    dense = PEERS["sdpa_math"]
    broken = type(dense)("sdpa_math", "", lambda cell, device: 1 / 0)  # type: ignore[arg-type,return-value]
    measure_overhead(results, session, CPU, [OURS, broken], [16], 16, lambda line: None, samples=1)
    rows = results.data["overhead"][0]["peers"]
    assert rows["sdpa_math"] == {"status": "failed", "reason": "ZeroDivisionError: division by zero"}
    assert rows["ours"]["status"] == "ok"


@pytest.mark.parametrize(
    ("ours", "value", "met"),
    [
        # Medians differ by 12, but within a round, which was slow or fast for both, it is 9.
        ([30.0, 99.0, 34.0], 9.0, True),
        ([40.0, 108.0, 43.0], 18.0, False),
        (None, None, False),
    ],
)
def test_the_target_is_about_what_a_round_adds(
    ours: list[float] | None, value: float | None, met: bool, tmp_path: Path
) -> None:
    results = Results(tmp_path / "h100.json")
    session = results.begin({"gpu": "h100", "date": "2026-11-23"})
    rows = {"bare": {"status": "ok", "us": [22.0, 90.0, 21.0]}}
    rows["ours"] = {"status": "ok", "us": ours} if ours else {"status": "failed", "reason": "it broke"}
    results.data["overhead"] = [{"call": "training", "seq_len": 128, "session": session, "peers": rows}]
    results.save()
    target = {"name": "o", "kind": "overhead", "phase": "training", "bands": [{"at_most": 10}]}
    targets = Targets(gpu="h100", targets=(target,))
    (line,) = check(targets, Collected.of_folder(tmp_path, "h100"))
    assert (line.value, line.met) == (value, met)
    assert ours or line.reason == "not measured: ours failed: it broke"

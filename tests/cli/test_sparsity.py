"""`--sparsity`: which regime the commands tune, look up, plan and show."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from splashgen.alpha import AlphaClass
from splashgen.cli import app
from splashgen.families import family_for
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.problem import DType, Operation, Problem
from splashgen.render import render
from splashgen.store import Entry, Regime, Status, Timing, save
from splashgen.tune import Report
from splashgen.tune.presets import preset

H100 = KNOWN_GPUS["h100"]
PROBLEM = Problem(Operation.ATTENTION, AlphaClass.THREE_HALVES, DType.BFLOAT16, 4096, 64, 64, causal=True)
EXPLAIN = ("explain", "--gpu", "h100", "--causal", "--sparsity", "sparse")


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU machine with empty folders, and no shipped configs."""
    for name in ("STATE", "CONFIG", "CACHE"):
        monkeypatch.setenv(f"SPLASHGEN_{name}_DIR", str(tmp_path / name.lower()))
    monkeypatch.setattr("splashgen.store.tables.shipped_folder", lambda name: tmp_path / "none")
    monkeypatch.setattr("splashgen.tune.target.detect", lambda device=None: CPU)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The problems and regimes that the tuner, which does nothing, is asked for."""
    calls: list[tuple[Any, ...]] = []

    def tune(problems: Any, gpu: Any, limits: Any, *, regimes: Any, **options: Any) -> Report:
        calls.append((tuple(problems), tuple(regimes)))
        return Report(())

    monkeypatch.setattr("splashgen.tune.tuner.tune", tune)
    return calls


def _ran(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def _entry(regime: Regime, **changes: Any) -> Entry:
    config = family_for(PROBLEM, H100).default(PROBLEM, H100).replace(**changes)
    code = render(PROBLEM, config).hash
    times = Timing(0.5, 0.49, 0.51)
    return Entry(
        PROBLEM, config, code, Status.MEASURED, times, tuned_at="2026-11-23", trials=1, regime=regime
    )


@pytest.mark.parametrize(
    ("words", "regimes"),
    [
        ((), (Regime.MIXED,)),
        (("--seq-len", "512"), (Regime.MIXED,)),
        (("--preset", "full"), (Regime.MIXED, Regime.DENSE, Regime.SPARSE)),
        (("--preset", "full", "--sparsity", "sparse"), (Regime.SPARSE,)),
        (("--head-dim", "32", "--sparsity", "dense", "--sparsity", "sparse"), (Regime.DENSE, Regime.SPARSE)),
    ],
)
def test_tune_takes_the_regimes_of_the_options_or_the_preset(asked, words, regimes) -> None:
    result = _ran("tune", *words)
    assert result.exit_code == 0, result.output
    assert asked[0][1] == regimes


def test_the_standard_preset_is_of_the_mixture() -> None:
    for gpu in (CPU, H100):
        assert preset("standard", gpu).regimes == preset("quick", gpu).regimes == (Regime.MIXED,)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tune", "--operation", "entmax", "--sparsity", "dense"), "belongs to attention, not to entmax"),
        (("tune", "--worker", "--sparsity", "dense"), "leave out the options that name them"),
        (("explain", "--operation", "entmax", "--sparsity", "dense"), "belong to attention, not to entmax"),
        (
            ("record", "x.jsonl", "--gpu", "cpu", "--sparsity", "dense"),
            "a recording holds",
        ),
    ],
)
def test_where_there_are_no_regimes_is_one_sentence_and_exit_code_2(asked, words, said) -> None:
    result = _ran(*words)
    assert result.exit_code == 2
    assert said in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_explain_says_that_the_mixture_answers_and_what_would_do_better() -> None:
    save(H100, [_entry(Regime.MIXED)])
    account = json.loads(_ran(*EXPLAIN, "--json").output)
    assert (account["rung"], account["regime"]) == ("exact", "sparse")
    assert account["tune_command"].endswith("--sparsity sparse")
    assert json.loads(_ran(*EXPLAIN[:-2], "--json").output)["tune_command"] is None

    save(H100, [_entry(Regime.SPARSE, bound_warps=8)])
    text = _ran(*EXPLAIN).output
    assert "for sparse scores" in text and "bound_warps=8" in text and "Tune it" not in text


def test_explain_names_the_regime_that_keeps_an_entry_from_answering() -> None:
    save(H100, [_entry(Regime.DENSE)])
    account = json.loads(_ran(*EXPLAIN, "--json").output)
    assert account["rung"] == "default"
    assert account["nearest_miss"]["differences"] == {"regime": {"tuned": "dense", "wanted": "sparse"}}
    assert account["nearest_miss"]["entry"].endswith("dense scores")


def test_configs_show_the_regime() -> None:
    path = save(H100, [_entry(Regime.MIXED), _entry(Regime.SPARSE, bound_warps=8)])
    assert "1 mixed, 1 sparse" in _ran("configs", "list").output
    facts = json.loads(_ran("configs", "show", str(path), "--json").output)
    assert sorted(fact["regime"] for fact in facts) == ["mixed", "sparse"]
    assert f"# {PROBLEM}, sparse scores: 0.5 ms" in path.read_text(encoding="utf-8")


def test_render_warmup_and_plan_pass_the_regime_on(monkeypatch: pytest.MonkeyPatch) -> None:
    save(H100, [_entry(Regime.MIXED), _entry(Regime.SPARSE, bound_warps=8)])
    words = ("--gpu", "h100", "--causal", "--sparsity")
    assert _ran("render", *words, "sparse").output != _ran("render", *words, "mixed").output

    got: list[Regime] = []
    monkeypatch.setattr("splashgen.warming.warm", lambda *_: got.append(_[-1]) or ())
    assert _ran("warmup", *words, "sparse").exit_code == 0

    planned = replace(_entry(Regime.DENSE), status=Status.PLANNED)
    plan = SimpleNamespace(
        problem=PROBLEM, regime=Regime.DENSE, ranked=[None], rejected={}, entry=planned, title=planned.title
    )
    plan.choice = SimpleNamespace(predicted_ms=0.5, config=planned.config)
    monkeypatch.setattr(
        "splashgen.plan.plan_problem", lambda *_, regime, **options: got.append(regime) or plan
    )
    result = _ran("plan", *words, "dense", "--seq-len", "4096")
    assert result.exit_code == 0, result.output
    assert "dense scores" in result.output
    assert got == [Regime.SPARSE, Regime.DENSE]

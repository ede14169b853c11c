"""Dispatch: what a miss does, what it says, and that the table decides."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import splashgen
from splashgen import dispatch
from splashgen.alpha import AlphaClass
from splashgen.errors import NoTunedConfigError
from splashgen.families import family_for
from splashgen.gpu import CPU, KNOWN_GPUS
from splashgen.operators import tables
from splashgen.problem import DType, Operation, Problem
from splashgen.render import render
from splashgen.store import Entry, Regime, Status, Timing, save

DEVICE = torch.device("cpu")
PROBLEM = Problem(Operation.ATTENTION, AlphaClass.THREE_HALVES, DType.FLOAT32, 100, 16, 16, causal=True)


@pytest.fixture(autouse=True)
def own_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr("splashgen.store.tables.shipped_folder", lambda name: tmp_path / "none")
    monkeypatch.delenv("SPLASHGEN_FALLBACK", raising=False)
    dispatch.clear()
    yield
    dispatch.clear()


def tuned() -> Entry:
    """An entry that is not the default."""
    family = family_for(PROBLEM, CPU)
    default = family.default(PROBLEM, CPU)
    config = next(one for one in family.space.feasible(PROBLEM, CPU) if one != default)
    code = render(PROBLEM, config).hash
    return Entry(PROBLEM, config, code, Status.MEASURED, Timing(1.0, 1.0, 1.0), tuned_at="2026-11-23")


def test_the_table_decides() -> None:
    entry = tuned()
    save(CPU, [entry])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel = dispatch.kernel_for(PROBLEM, DEVICE)
    assert kernel.config == entry.config
    assert dispatch.kernel_for(PROBLEM, DEVICE) is kernel


def test_fallback_warns_once_with_the_command() -> None:
    with pytest.warns(UserWarning, match="splashgen tune --gpu cpu --operation attention") as caught:
        dispatch.kernel_for(PROBLEM, DEVICE)
        dispatch.kernel_for(PROBLEM, DEVICE)
    assert len(caught) == 1


def test_a_regime_has_its_kernel_and_the_mixture_answers_for_it_in_silence() -> None:
    mixed = tuned()
    with pytest.warns(UserWarning, match="causal training, sparse scores.*--sparsity sparse"):
        dispatch.kernel_for(PROBLEM, DEVICE, Regime.SPARSE)
    save(CPU, [mixed])
    dispatch.clear()
    default = family_for(PROBLEM, CPU).default(PROBLEM, CPU)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dispatch.kernel_for(PROBLEM, DEVICE, Regime.SPARSE).config == mixed.config
        code = render(PROBLEM, default).hash
        save(CPU, [replace(mixed, config=default, code_hash=code, regime=Regime.SPARSE)])
        dispatch.clear()
        assert dispatch.kernel_for(PROBLEM, DEVICE, Regime.SPARSE).config == default
        assert dispatch.kernel_for(PROBLEM, DEVICE).config == mixed.config


def test_a_planned_entry_is_used_and_announced_once() -> None:
    planned = replace(tuned(), status=Status.PLANNED)
    save(CPU, [planned])
    longer = replace(PROBLEM, seq_len=101)  # the same bucket
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kernels = [dispatch.kernel_for(problem, DEVICE) for problem in (PROBLEM, PROBLEM, longer)]
    assert {kernel.config for kernel in kernels} == {planned.config}
    (told,) = [str(one.message) for one in caught]
    assert f"Using planned: {planned.problem}" in told and "splashgen tune --gpu cpu" in told


def test_warning_points_at_the_caller() -> None:
    x = torch.randn(2, 5)
    with pytest.warns(UserWarning, match="No config is tuned") as caught:
        splashgen.entmax(x)
    assert caught[0].filename == __file__


def test_quiet_and_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_FALLBACK", "strict")
    with pytest.raises(NoTunedConfigError, match="splashgen tune"):
        dispatch.kernel_for(PROBLEM, DEVICE)
    monkeypatch.setenv("SPLASHGEN_FALLBACK", "quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dispatch.kernel_for(PROBLEM, DEVICE)


def test_unknown_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_FALLBACK", "loud")
    with pytest.raises(ValueError, match="quiet, warn, strict"):
        dispatch.kernel_for(PROBLEM, DEVICE)


def test_command_is_exact() -> None:
    problem = Problem(
        Operation.ATTENTION,
        AlphaClass.FOUR_THIRDS,
        DType.BFLOAT16,
        5000,
        64,
        128,
        training=False,
        window=True,
    )
    assert dispatch.tune_command(problem, KNOWN_GPUS["h100"]) == (
        "splashgen tune --gpu h100 --operation attention --head-dim 64 --value-dim 128 --dtype bfloat16 "
        "--alpha 4/3 --no-causal --seq-len 8192 --inference"
    )


def test_digest_changes_with_the_tables() -> None:
    before = splashgen.table_digest()
    assert before == splashgen.table_digest()
    save(CPU, [tuned()])
    assert splashgen.table_digest() != before


def test_a_trace_takes_what_another_process_has_tuned_since(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_FALLBACK", "quiet")
    before = dispatch.kernel_for(PROBLEM, DEVICE)
    traced = tables()
    assert dispatch.kernel_for(PROBLEM, DEVICE) is before, "nothing was written"
    entry = tuned()
    save(CPU, [entry])
    assert dispatch.kernel_for(PROBLEM, DEVICE) is before, "eager calls go on as they began"
    assert tables() != traced
    assert dispatch.kernel_for(PROBLEM, DEVICE).config == entry.config


def test_no_family_is_a_clear_error() -> None:
    half = Problem(Operation.ATTENTION, AlphaClass.TWO, DType.BFLOAT16, 100, 16, 16)
    with pytest.raises(NotImplementedError, match="No kernel family computes"):
        dispatch.kernel_for(half, DEVICE)

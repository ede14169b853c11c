"""The rungs of the look-up, in their order, and its account of what it passed over."""

import importlib
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from splashgen.families import family_for, family_named
from splashgen.gpu import KNOWN_GPUS
from splashgen.problem import DType
from splashgen.space import Constraint
from splashgen.store import (
    Freshness,
    Regime,
    Rung,
    Source,
    Status,
    freshness,
    lookup,
    nearest_miss,
    neighbours,
    save,
)
from splashgen.store.key import tuning_key

H100, H200, A100 = (KNOWN_GPUS[slug] for slug in ("h100", "h200", "a100"))


def other_config(problem, gpu=H100):
    """A config that is not the default."""
    family = family_for(problem, gpu)
    default = family.default(problem, gpu)
    return next(config for config in family.space.feasible(problem, gpu) if config != default)


def test_nothing_tuned_gives_the_default(problem, user: Path) -> None:
    match = lookup(problem(), H100)
    assert match.rung is Rung.DEFAULT
    assert match.config == family_for(problem(), H100).default(problem(), H100)


def test_user_wins_over_shipped(entry, problem, user: Path, shipped: Path) -> None:
    save(H100, [entry()], shipped)
    assert lookup(problem(), H100).source is Source.SHIPPED
    save(H100, [entry(config=other_config(problem()))])
    match = lookup(problem(seq_len=3000), H100)
    assert (match.rung, match.source, match.config) == (Rung.EXACT, Source.USER, other_config(problem()))


def test_of_two_files_of_a_chip_the_newer_entry_answers(entry, problem, user: Path) -> None:
    path = save(H100, [entry(tuned_at="2026-11-22")])
    (user / "h100-2.yaml").write_bytes(path.read_bytes())
    path.write_text(path.read_text().replace("2026-11-22", "2026-11-23"))
    assert lookup(problem(), H100).path == path
    (user / "h100-2.yaml").write_text(path.read_text().replace("2026-11-23", "2026-11-24"))
    assert lookup(problem(), H100).path == user / "h100-2.yaml"


def test_nearest_length_and_pinning_beyond_the_range(entry, problem, user: Path) -> None:
    save(H100, [entry(problem(seq_len=length)) for length in (256, 4096)])
    for length, nearest in ((128, 256), (512, 256), (2048, 4096), (16384, 4096), (1, 256)):
        match = lookup(problem(seq_len=length), H100)
        assert (match.rung, match.entry.problem.seq_len) == (Rung.NEAREST_LENGTH, nearest), length


def test_what_is_right_for_short_sequences_alone_is_not_used_for_long_ones(
    entry, problem, user: Path
) -> None:
    """It keeps several maxima a tile, whose scratch grows with the length."""
    save(H100, [entry(problem(seq_len=length)) for length in (1024, 16384)])
    for length in (65536, 1 << 20):
        match = lookup(problem(seq_len=length), H100)
        assert match.rung is Rung.DEFAULT and match.config["bound_parts"] == 1
        assert any("scratch" in step.verdict for step in match.steps)


@pytest.mark.parametrize("axis", ["causal", "training", "dtype", "alpha"])
def test_what_must_match_exactly(axis: str, entry, problem, user: Path) -> None:
    from splashgen.alpha import AlphaClass

    save(H100, [entry()])
    other = {"causal": False, "training": False, "dtype": DType.FLOAT16, "alpha": AlphaClass.TWO}[axis]
    assert lookup(problem(**{axis: other}), H100).rung is Rung.DEFAULT
    found, fields = nearest_miss(problem(**{axis: other}), H100)
    assert found == entry() and set(fields) == {axis}


def test_the_nearest_miss_is_near_in_numbers_too(entry, problem, user: Path) -> None:
    save(H100, [entry(problem(seq_len=length)) for length in (1024, 16384, 65536)])
    found, fields = nearest_miss(problem(seq_len=5000), H100)
    assert (found.problem.seq_len, fields) == (16384, {"seq_len": (16384, 8192)})
    found, fields = nearest_miss(problem(seq_len=5000, causal=False), H100)
    assert (found.problem.seq_len, set(fields)) == (16384, {"seq_len", "causal"})


def test_neighbours_are_measured_ones_of_the_architecture_nearest_first(entry, problem, user: Path) -> None:
    near, far, other = (
        problem(seq_len=2048),
        problem(seq_len=16384, causal=False),
        problem(dtype=DType.FLOAT16),
    )
    save(H100, [entry(each) for each in (far, other, near)])
    save(H200, [entry(problem(seq_len=1024), H200, status=Status.PLANNED)])
    assert [one.problem for one in neighbours(problem(seq_len=1024), H200)] == [near, far]
    assert not list(neighbours(problem(), A100))


def test_masks_take_the_config_of_the_problem_without_them(entry, problem, user: Path) -> None:
    save(H100, [entry()])
    masked = problem(window=True, alibi=True, key_padding=True, attn_mask=True, grouped=True)
    assert tuning_key(masked) == tuning_key(problem())
    assert lookup(masked, H100).rung is Rung.EXACT


def test_entry_for_the_very_mask_goes_first(entry, problem, user: Path) -> None:
    special = entry(problem(window=True), config=other_config(problem(window=True)))
    save(H100, [entry(), special])
    assert lookup(problem(window=True), H100).entry == special
    assert lookup(problem(), H100).entry == entry()


def test_nearest_head_dim(entry, problem, user: Path) -> None:
    save(H100, [entry(), entry(problem(head_dim=128, value_dim=128))])
    match = lookup(problem(head_dim=112, value_dim=112), H100)
    assert (match.rung, match.entry.problem.head_dim) == (Rung.NEAREST_PROBLEM, 128)


def test_same_architecture(entry, problem, user: Path) -> None:
    save(H200, [entry(gpu=H200)])
    assert lookup(problem(), H100).rung is Rung.SAME_ARCHITECTURE
    assert lookup(problem(), A100).rung is Rung.DEFAULT


def test_another_chip_under_the_same_slug_is_only_the_same_architecture(entry, problem, user: Path) -> None:
    save(H100, [entry()])
    pcie = replace(H100, name="NVIDIA H100 PCIe", multiprocessors=114)
    assert lookup(problem(), pcie).rung is Rung.SAME_ARCHITECTURE


def test_planned_below_measured(entry, problem, user: Path) -> None:
    save(H100, [entry(status=Status.PLANNED)])
    assert lookup(problem(), H100).rung is Rung.PLANNED
    save(H100, [entry(problem(seq_len=1024))])
    assert lookup(problem(), H100).rung is Rung.NEAREST_LENGTH


def test_regimes(entry, problem, user: Path) -> None:
    sparse = entry(regime=Regime.SPARSE, config=other_config(problem()))
    save(H100, [entry(), sparse])
    assert lookup(problem(), H100).entry == entry()
    assert lookup(problem(), H100, Regime.SPARSE).entry == sparse
    assert lookup(problem(), H100, Regime.DENSE).entry == entry()


def test_of_equally_near_entries_the_regime_s_own_answers_even_a_shipped_one(
    entry, problem, user: Path, shipped: Path
) -> None:
    sparse = entry(regime=Regime.SPARSE, config=other_config(problem()))
    save(H100, [sparse], shipped)
    save(H100, [entry()])
    match = lookup(problem(), H100, Regime.SPARSE)
    assert (match.source, match.entry) == (Source.SHIPPED, sparse)


def test_rung_and_distance_count_for_more_than_the_regime(entry, problem, user: Path) -> None:
    save(H100, [entry(), entry(problem(seq_len=1024), regime=Regime.SPARSE)])
    assert lookup(problem(), H100, Regime.SPARSE).entry == entry()
    assert lookup(problem(seq_len=512), H100, Regime.SPARSE).entry.regime is Regime.SPARSE


def test_another_regime_never_answers_and_is_named_as_the_nearest_miss(entry, problem, user: Path) -> None:
    dense = entry(regime=Regime.DENSE)
    save(H100, [dense])
    assert lookup(problem(), H100, Regime.SPARSE).rung is Rung.DEFAULT
    assert lookup(problem(), H100).rung is Rung.DEFAULT
    assert nearest_miss(problem(), H100, Regime.SPARSE) == (dense, {"regime": (Regime.DENSE, Regime.SPARSE)})


def test_changed_code_is_not_used(entry, problem, user: Path) -> None:
    save(H100, [entry(code_hash="0" * 16)])
    match = lookup(problem(), H100)
    assert match.rung is Rung.DEFAULT
    assert "code has changed" in match.steps[0].verdict


def test_config_that_does_not_fit_is_passed_over(entry, problem, user: Path, monkeypatch) -> None:
    save(H100, [entry(), entry(problem(seq_len=1024))])
    family = family_named("attention_triton")
    never = Constraint("Nothing fits.", lambda problem, gpu, config: False)
    space = replace(family.space, constraints=(never,))
    module = importlib.import_module("splashgen.store.lookup")  # `splashgen.store.lookup` is the function
    monkeypatch.setattr(module, "family_named", lambda name: replace(family, space=space))
    match = lookup(problem(), H100)
    assert match.rung is Rung.DEFAULT
    assert [step.verdict for step in match.steps] == ["it does not fit here: Nothing fits."] * 2 + ["used"]


def test_bad_file_is_one_warning_and_the_next_in_the_chain(entry, problem, user: Path, shipped: Path) -> None:
    save(H100, [entry()], shipped)
    user.mkdir()
    (user / "h100.yaml").write_text("entries: [")
    with pytest.warns(UserWarning, match=r"h100\.yaml") as caught:
        match = lookup(problem(), H100)
        lookup(problem(seq_len=1), H100)
    assert len(caught) == 1
    assert (match.rung, match.source) == (Rung.EXACT, Source.SHIPPED)
    assert "not valid YAML" in match.steps[0].verdict


def test_an_entry_that_is_not_valid_today_leaves_the_others_in_use(entry, problem, user: Path) -> None:
    """An upgrade may know a parameter that the entries of one family lack."""
    path = save(H100, [entry(), entry(problem(seq_len=1024))])
    path.write_text(path.read_text().replace("dq_stages: ", "dq_steps: ", 1))
    with pytest.warns(UserWarning, match=r"Its valid entries \(1\) are used") as caught:
        found = {lookup(problem(seq_len=length), H100).rung for length in (1024, 4096)}
    assert len(caught) == 1
    assert found == {Rung.EXACT, Rung.NEAREST_LENGTH}


def test_file_written_later_is_seen(entry, problem, user: Path) -> None:
    assert lookup(problem(), H100).rung is Rung.DEFAULT
    save(H100, [entry()])
    assert lookup(problem(), H100).rung is Rung.EXACT


@pytest.mark.parametrize(
    ("changes", "grade"),
    [
        ({}, Freshness.FRESH),
        ({"torch": "1.0.0"}, Freshness.STALE),
        ({"triton": "1.0.0"}, Freshness.STALE),
        ({"driver": "1.2.3"}, Freshness.NOTED),
    ],
)
def test_grades_of_staleness(changes, grade, entry, monkeypatch) -> None:
    from splashgen.store import Provenance, staleness

    here = Provenance("0.1.0", "2.13.0+cpu", "3.6.0", "580.1", "2026-11-23")
    monkeypatch.setattr(staleness, "current", lambda: here)
    made = replace(here, torch="2.13.4", date="2026-01-01")
    assert freshness(entry(), replace(made, **changes))[0] is grade
    assert freshness(entry(provenance=replace(made, **changes)), here)[0] is grade


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"torch": "1.0.0"}, "made with torch 1.0.0, here is 2.13.0; `splashgen verify` re-checks it"),
        ({"driver": "1.2.3"}, "made with driver 1.2.3, here is 580.1"),
        ({}, ""),
    ],
)
def test_stale_and_noted_entries_are_used_and_the_answer_says_so(
    changes, note, entry, problem, user: Path, monkeypatch
) -> None:
    from splashgen.store import Provenance, staleness

    here = Provenance("0.1.0", "2.13.0", "3.6.0", "580.1", "2026-11-23")
    monkeypatch.setattr(staleness, "current", lambda: here)
    save(H100, [entry(provenance=replace(here, **changes))])
    match = lookup(problem(), H100)
    assert (match.rung, match.note) == (Rung.EXACT, note)


def test_one_entry_that_changed_does_not_take_the_others_with_it(entry, problem, user: Path) -> None:
    save(H100, [entry(code_hash="0" * 16), entry(problem(seq_len=1024))])
    match = lookup(problem(), H100)
    assert (match.rung, match.entry.problem.seq_len) == (Rung.NEAREST_LENGTH, 1024)
    assert "`splashgen verify` re-checks it" in match.steps[0].verdict


def test_no_warning_where_there_is_no_folder(problem, user: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lookup(problem(), H100)

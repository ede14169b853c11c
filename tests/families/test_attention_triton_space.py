"""Every parameter of the Triton attention's space that changes code: the result stays within its budget."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from attention_cases import (
    NUMPY_IS_QUIET,
    SMALL,
    TRITON,
    agree,
    draw,
    packed,
    problem_of,
    skip_without_descriptors,
    triton_kernel,
)

from splashgen.families import family_named
from splashgen.gpu import KNOWN_GPUS
from splashgen.problem import Problem
from splashgen.store import Rung, lookup

pytestmark = NUMPY_IS_QUIET
SLOW = pytest.mark.slow


@pytest.mark.parametrize("solver", ["halley", "bisection"])
@pytest.mark.parametrize("alpha", ["2", "1.5", pytest.param("1.2", marks=SLOW), "generic"])
def test_solvers(alpha: str, solver: str, device: torch.device) -> None:
    problem = problem_of(alpha, causal=True, alibi=True)
    kernel = triton_kernel(problem, device, **SMALL, solver=solver, tolerance=1e-5)
    agree(kernel, draw(problem, 60, heads=1, device=device))


@pytest.mark.parametrize(
    "config",
    [
        {"bound_steps": 0},
        {"bound_steps": 1},
        {"bound_parts": 1, "bound_together": 4},
        {"block_m": 64},
        {"block_n": 64},
        {"block_m": 64, "block_n": 64},
        {"bound_m": 128, "bound_n": 32},
        {"bound_m": 64, "bound_n": 256, "bound_parts": 2, "bound_together": 8},
        {"bound_m": 128, "bound_n": 128, "block_m": 64, "block_n": 32},
        {"bound_m": 32, "bound_n": 16, "block_m": 16, "block_n": 16},
    ],
    ids=lambda config: " ".join(f"{name}={value}" for name, value in config.items()),
)
def test_tiles_and_bounds(config: dict[str, int], device: torch.device) -> None:
    problem = problem_of("4/3", window=True)
    drawn = draw(problem, 90, 130, heads=1, device=device, window_left=60, window_right=9)
    agree(triton_kernel(problem, device, **{**SMALL, **config}), drawn)


@pytest.mark.parametrize("parts", [1, 4])
def test_more_tiles_than_flags_are_set_at_a_time(parts: int, device: torch.device) -> None:
    """The strip sees 36 of 38 tiles, from the third on: 32 of them first, then four and what fills up."""
    problem = problem_of("1.5", window=True)
    drawn = draw(problem, 33, 1200, heads=1, device=device, window_left=1100, window_right=9)
    agree(triton_kernel(problem, device, **SMALL, bound_parts=parts), drawn)


@pytest.mark.parametrize(
    ("alpha", "head_dim", "features"),
    [
        ("1.5", 160, ("causal",)),
        pytest.param("1.5", 192, ("window", "attn_mask"), marks=SLOW),
        pytest.param("generic", 256, ("key_padding", "alibi", "learned_alpha"), marks=SLOW),
    ],
)
def test_small_tiles_of_wide_heads(
    alpha: str, head_dim: int, features: tuple[str, ...], device: torch.device
) -> None:
    """Of float32, on chips with 99 KB of shared memory."""
    problem = problem_of(alpha, head_dim=head_dim, **dict.fromkeys(features, True))
    chosen = family_named(TRITON).default(problem, KNOWN_GPUS["rtx4090"])
    tiles = {name: chosen[name] for name in ("block_m", "block_n", "bound_m", "bound_n")}
    assert tiles == {"block_m": 16, "block_n": 16, "bound_m": 32, "bound_n": 16}
    agree(triton_kernel(problem, device, **tiles), draw(problem, 50, 60, heads=1, device=device))


@pytest.mark.parametrize(
    ("loops", "loads", "features"),
    [
        (1, "pointers", ("causal", "grouped")),
        (2, "pointers", ("varlen",)),
        (1, "descriptors", ("alibi",)),
        (2, "descriptors", ("causal", "grouped")),
    ],
)
def test_loops_over_masked_tiles(
    loops: int, loads: str, features: tuple[str, ...], device: torch.device
) -> None:
    """Masked and unmasked tiles in one loop or in two, the ragged last tile of both sides among them."""
    if loads == "descriptors":
        skip_without_descriptors(device)
    problem = problem_of("1.5", "float16", **dict.fromkeys(features, True))
    config = {**SMALL, "dkdv_loops": loops, "loads": loads}
    drawn = (
        packed(problem, [70, 30], [90, 50], device=device)
        if problem.varlen
        else draw(problem, 100, 75, device=device)
    )
    agree(triton_kernel(problem, device, **config), drawn)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "config",
    [
        {"precision": "ieee"},
        {"bound_m": 128, "bound_n": 128, "bound_warps": 8, "bound_stages": 4, "bound_programs": 1},
        {"bound_stages": 1, "output_stages": 1, "dq_stages": 1, "dkdv_stages": 1, "bound_programs": 3},
        {"output_stages": 3, "dq_stages": 3, "dkdv_stages": 3},
        {"output_registers": 168, "dkdv_registers": 168},
    ],
    ids=lambda config: " ".join(f"{name}={value}" for name, value in config.items()),
)
def test_what_only_a_gpu_knows(config: dict[str, int]) -> None:
    device = torch.device("cuda")
    problem = problem_of("1.5", "float32", causal=True)
    agree(triton_kernel(problem, device, **{**SMALL, **config}), draw(problem, 700, device=device))


@pytest.mark.parametrize("alpha", ["1.5", pytest.param("generic", marks=SLOW)])
def test_long_rows_whose_neighbouring_tiles_count_as_one(alpha: str, device: torch.device) -> None:
    """Eight tiles count as one in the bound, and the last of 132 tiles with what fills the row up."""
    problem = problem_of(alpha, training=False, head_dim=16)
    kernel = triton_kernel(problem, device, **{**SMALL, "bound_n": 256, "bound_together": 8})
    agree(kernel, draw(problem, 20, 128 * 32 + 100, heads=1, device=device))


@pytest.mark.gpu
@pytest.mark.parametrize("head_dim", [64, 128])
@pytest.mark.parametrize("workload", ["dense", "sparse"])
def test_long_sequences_with_the_default(head_dim: int, workload: str) -> None:
    """At head dim 128 too, errors are those of one rounding."""
    device = torch.device("cuda")
    problem = problem_of("1.5", "bfloat16", causal=True, head_dim=head_dim)
    gain = 1.0 if workload == "dense" else 6.0
    agree(triton_kernel(problem, device), draw(problem, 4096, device=device, gain=gain))


@pytest.mark.parametrize("slug", sorted(KNOWN_GPUS))
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("head_dim", [16, 96, 256])
def test_the_default_keeps_its_own_rules(slug: str, dtype: str, head_dim: int) -> None:
    family, gpu = family_named("attention_triton"), KNOWN_GPUS[slug]
    for training in (True, False):
        problem = problem_of("1.5", dtype, head_dim=head_dim, training=training)
        narrowed = family.space.narrowed(problem, gpu)
        config = family.default(problem, gpu)
        assert narrowed.objection(problem, gpu, narrowed.member(config.as_dict())) is None


@pytest.mark.parametrize(
    ("slug", "problem", "block"),
    [
        ("rtx4090", problem_of(head_dim=128), 32),
        ("rtx4090", problem_of(head_dim=128, attn_mask=True), 16),
        ("rtx4090", problem_of(head_dim=128, attn_mask=True, training=False), 32),
        ("rtx4090", problem_of(head_dim=160), 16),
        ("rtx4090", problem_of(head_dim=64, value_dim=256), 16),
        ("rtx4090", problem_of(head_dim=64, value_dim=256, training=False), 32),
        ("rtx4090", problem_of(dtype="bfloat16", head_dim=256), 32),
        ("a100", problem_of(head_dim=256), 16),
        ("a100", problem_of(head_dim=256, training=False), 32),
        ("a100", problem_of(head_dim=256, training=False, attn_mask=True), 16),
        ("a100", problem_of(head_dim=256, value_dim=64), 32),
        ("h100", problem_of(head_dim=256), 32),
        ("mi300x", problem_of(head_dim=256), 32),
    ],
    ids=str,
)
def test_tiles_are_small_only_where_others_do_not_fit(slug: str, problem: Problem, block: int) -> None:
    """What fits is what the compiler says of it; the sweep compiles most of these."""
    config = family_named(TRITON).default(problem, KNOWN_GPUS[slug])
    assert (config["block_m"], config["block_n"]) == (block, block)


def test_stages_count_where_heads_are_wide() -> None:
    """Three stages at head dim 160 take 257 KB on an H100, of 227, as the compiler says; two take 192."""
    family, gpu, problem = (
        family_named(TRITON),
        KNOWN_GPUS["h100"],
        problem_of(dtype="bfloat16", head_dim=160),
    )
    chosen = family.default(problem, gpu).replace(block_m=64, block_n=64, dkdv_stages=3)
    assert "shared memory" in str(family.space.objection(problem, gpu, chosen))
    assert family.space.objection(problem, gpu, chosen.replace(dkdv_stages=2)) is None


@pytest.mark.parametrize("slug", ["rtx4090", "l40s"])
@pytest.mark.parametrize("head_dim", [160, 256])
def test_an_entry_for_narrower_heads_is_passed_over_where_it_does_not_fit(slug: str, head_dim: int) -> None:
    """The plans for head dim 128 would take 144 KB here, of 99."""
    gpu = KNOWN_GPUS[slug]
    wide = replace(problem_of(dtype="bfloat16", head_dim=head_dim, causal=True), seq_len=1024)
    match = lookup(wide, gpu)
    assert match.rung is Rung.DEFAULT
    assert any("shared memory" in step.verdict for step in match.steps)
    assert lookup(replace(wide, head_dim=128, value_dim=128), gpu).rung is Rung.PLANNED


@pytest.mark.parametrize(
    ("slug", "widest"), [("rtx4090", 64), ("a100", 128), ("h200", 256), ("b200", 256), ("mi300x", 256)]
)
def test_rows_are_the_default_where_the_kernels_for_both_kinds_of_lists_fit(slug: str, widest: int) -> None:
    """Compiled for an sm_86 they take 104 KB at head dim 128, of 99; for an A100 208 at 256, of 163."""
    gpu, family = KNOWN_GPUS[slug], family_named(TRITON)
    for head_dim in (64, 128, 256):
        problem = replace(problem_of(dtype="bfloat16", head_dim=head_dim, causal=True), seq_len=8192)
        config = family.default(problem, gpu)
        assert config["grain"] == ("rows" if head_dim <= widest else "tiles")
        assert family.space.objection(problem, gpu, config) is None
    # What was tuned for narrower heads of an A100 is passed over at 256.
    narrow = family.default(replace(problem, head_dim=128, value_dim=128), KNOWN_GPUS["a100"])
    assert slug != "a100" or family.space.objection(problem, gpu, narrow) is not None


def test_a_chip_too_small_for_any_tile_is_told() -> None:
    tiny = replace(KNOWN_GPUS["rtx4090"], name="A tiny GPU", arch="sm_75", shared_memory=49_152)
    with pytest.raises(
        NotImplementedError, match=r"head_dim=256.*on A tiny GPU.*shared memory.*smaller head dim"
    ):
        lookup(problem_of(dtype="bfloat16", head_dim=256), tiny)


@pytest.mark.parametrize(("dtype", "longest"), [("bfloat16", 1 << 21), ("float32", 1 << 20)])
def test_sequences_with_more_tiles_than_a_list_can_number_are_refused(dtype: str, longest: int) -> None:
    """A tile's number would wrap around, and its keys be others'."""
    problem = problem_of(dtype=dtype, head_dim=64, training=False)
    assert lookup(replace(problem, seq_len=longest), KNOWN_GPUS["h100"]).config
    with pytest.raises(NotImplementedError, match=r"at most 32768 tiles.*shorter sequence"):
        lookup(replace(problem, seq_len=longest + 1), KNOWN_GPUS["h100"])


def test_no_default_is_refused_for_its_shared_memory() -> None:
    """Compiled ones fit, so a rule that refused one would be wrong."""
    family, dims = family_named(TRITON), (16, 64, 80, 128, 160, 256)
    for gpu, dtype, training, attn_mask, head_dim, value_dim in itertools.product(
        KNOWN_GPUS.values(), ("bfloat16", "float32"), (True, False), (True, False), dims, dims
    ):
        rest = {"training": training, "attn_mask": attn_mask, "head_dim": head_dim, "value_dim": value_dim}
        problem = problem_of(dtype=dtype, **rest)
        assert family.space.objection(problem, gpu, family.default(problem, gpu)) is None, (problem, gpu.slug)


@pytest.mark.parametrize("slug", ["h100", "rtx4090"])
def test_small_tiles_cost_other_problems_no_trial(slug: str) -> None:
    family, gpu = family_named(TRITON), KNOWN_GPUS[slug]
    for narrow in (problem_of(head_dim=128), problem_of(dtype="bfloat16", head_dim=256)):
        choices = family.space.narrowed(narrow, gpu).choices
        assert all(16 not in choices[name] for name in ("block_m", "block_n", "bound_n")), narrow
        assert 32 not in choices["bound_m"], narrow
    assert 16 in family.space.narrowed(problem_of(head_dim=192), gpu).choices["block_m"]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"bound_n": 32, "block_n": 64}, "whole list tiles"),
        ({"bound_warps": 8, "bound_m": 64, "bound_n": 64}, "8192 scores"),
    ],
)
def test_what_does_not_fit_is_told(config: dict[str, int], reason: str) -> None:
    family, gpu, problem = family_named("attention_triton"), KNOWN_GPUS["h100"], problem_of()
    chosen = family.default(problem, gpu).replace(**config)
    assert reason in str(family.space.objection(problem, gpu, chosen))


def test_the_page_of_choices_names_every_parameter() -> None:
    page = (Path(__file__).parents[2] / "docs" / "choices.md").read_text(encoding="utf-8")
    there, _, _ = page.partition("## What cannot")
    space = family_named("attention_triton").space
    assert not [name for name in space.choices if f"`{name}`" not in there]

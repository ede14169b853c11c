"""Attention in Triton over lists of single rows: where there is no room for a list, and what the lists hold.

That the numbers are right, whatever the masks, is tested with both grains in the other files on Triton.
"""

from typing import Any

import pytest
import torch
import triton.language as tl
from attention_cases import NUMPY_IS_QUIET, SMALL, agree, draw, packed, problem_of, triton_kernel

from splashgen.alpha import AlphaClass
from splashgen.families import family_named
from splashgen.gpu import KNOWN_GPUS
from splashgen.kernel import Kernel
from splashgen.problem import DType, Problem
from splashgen.tune.presets import attention

pytestmark = NUMPY_IS_QUIET


def kernel_of(problem: Problem, device: torch.device, **config: Any) -> Kernel:
    return triton_kernel(problem, device, **{**SMALL, **config}, grain="rows")


@pytest.mark.parametrize("room", [32, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "features", [{"causal": True}, {"window": True, "grouped": True}, {"key_padding": True}], ids=str
)
def test_lists_without_room_name_whole_tiles(
    room: int, features: dict[str, Any], device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for one row a tile all lists are of tiles; with 32 the first few of a head are of rows."""
    problem = problem_of(**features)
    kernel = kernel_of(problem, device)
    monkeypatch.setattr(kernel.module, "ROOM", tl.constexpr(room))
    inputs = draw(problem, 100, 110, device=device)
    agree(kernel, inputs)
    _, saved = kernel.forward(*(inputs[x] for x in "qkv"), inputs["scale"], **inputs["features"])
    whole = spans_of(kernel, saved)[..., 2] < 0
    assert whole.any() and (room == 1) == bool(whole.all())


def test_a_packed_sequence_without_room(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_of(varlen=True, causal=True)
    kernel = kernel_of(problem, device)
    monkeypatch.setattr(kernel.module, "ROOM", tl.constexpr(16))
    agree(kernel, packed(problem, [70, 0, 50], [90, 3, 50], device=device))


@pytest.mark.slow
def test_numbers_that_take_more_than_sixteen_bits(device: torch.device) -> None:
    """Of more than 65536 keys the lists name tiles; what one query needs stands at the far end."""
    problem = problem_of(dtype="float32", head_dim=16)
    inputs = draw(problem, 3, 65536 + 64, heads=1, device=device)
    inputs["k"][:, :, -5:] *= 3.0
    kernel = kernel_of(problem, device, bound_n=128, bound_m=32, block_n=32)
    agree(kernel, inputs)
    _, saved = kernel.forward(*(inputs[x] for x in "qkv"), inputs["scale"])
    assert (spans_of(kernel, saved)[..., 2] == -1).all()


def test_the_lists_hold_what_is_needed_and_little_else(device: torch.device) -> None:
    """Every key with P above 0 is listed once; the bound lies a little below τ, so a few others are."""
    problem = problem_of(dtype="float32", causal=True)
    inputs = draw(problem, 200, heads=1, gain=4.0, device=device)
    kernel = kernel_of(problem, device)
    _, saved = kernel.forward(*(inputs[x] for x in "qkv"), inputs["scale"])
    tau, keys, spans = saved[0][0, 0], saved[-6][0, 0].flatten(), spans_of(kernel, saved)[0, 0]
    z = (inputs["q"] @ inputs["k"].mT)[0, 0].double() * inputs["scale"] / 2.0
    visible = torch.ones_like(z, dtype=torch.bool).tril()
    for tile, (unmasked, count, begin) in enumerate(spans.tolist()):
        rows = slice(32 * tile, 32 * tile + 32)
        listed = keys[begin : begin + count].tolist()
        assert len(set(listed)) == count
        # Those that every query of the tile sees stand at the front.
        assert all(key < 32 * tile for key in listed[:unmasked])
        needed = ((z[rows] > tau[rows, None] + 1e-6) & visible[rows]).any(0).nonzero()[:, 0].tolist()
        near = ((z[rows] > tau[rows, None] - 0.2) & visible[rows]).any(0).nonzero()[:, 0].tolist()
        assert set(needed) <= set(listed) <= set(near)


def test_the_default_lists_rows_of_long_sequences_in_training() -> None:
    h100 = KNOWN_GPUS["h100"]

    def grains(alpha: str, training: bool = True) -> list[object]:
        problems = [
            attention(DType.BFLOAT16, 64, 1 << power, alpha=AlphaClass(alpha), training=training)
            for power in range(10, 15)
        ]
        return [family_named("attention_triton").default(problem, h100)["grain"] for problem in problems]

    assert grains("1.5") == [*["tiles"] * 3, *["rows"] * 2]
    assert grains("2") == ["tiles", *["rows"] * 4]
    assert {*grains("4/3"), *grains("generic"), *grains("2", training=False)} == {"tiles"}


def test_longer_sequences_have_more_room_or_list_tiles() -> None:
    h100, family = KNOWN_GPUS["h100"], family_named("attention_triton")

    def chosen(n: int, causal: bool) -> tuple[object, object]:
        problem = attention(DType.BFLOAT16, 64, n, causal=causal)
        config = family.default(problem, h100)
        assert family.space.objection(problem, h100, config) is None
        return config["grain"], config["list_room"]

    assert [chosen(32768, causal) for causal in (True, False)] == [("rows", 2048), ("rows", 4096)]
    assert chosen(65536, True) == ("rows", 4096)
    assert chosen(131072, True)[0] == "tiles"
    # What was tuned at half the length lacks the room.
    short, long = (attention(DType.BFLOAT16, 64, n) for n in (32768, 65536))
    assert family.space.objection(long, h100, family.default(short, h100)) is not None


def spans_of(kernel: Kernel, saved: Any) -> torch.Tensor:
    """(rows in unmasked tiles, all rows, begin) of each query tile's list, from what `forward` keeps."""
    spans: torch.Tensor = saved[-5]
    assert spans.shape[-1] == 3 and kernel.config["grain"] == "rows"
    return spans

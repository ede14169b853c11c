"""Attention in Triton over lists of single rows: which lists are of whole tiles after all, what lists hold.

That the numbers are right, whatever the masks, is tested with both grains in the other files on Triton.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import triton.language as tl
from attention_cases import NUMPY_IS_QUIET, SMALL, agree, draw, packed, problem_of, triton_kernel
from marking import forget, mark_heads

from splashgen.alpha import AlphaClass
from splashgen.families import family_named
from splashgen.gpu import KNOWN_GPUS
from splashgen.kernel import Kernel
from splashgen.launches import with_launches
from splashgen.problem import DType, Problem
from splashgen.tune.presets import attention

pytestmark = NUMPY_IS_QUIET
SLOW = pytest.mark.slow


@pytest.fixture(autouse=True)
def every_head_is_marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mark_heads(monkeypatch)
    yield
    forget()


def kernel_of(problem: Problem, device: torch.device, **config: Any) -> Kernel:
    return triton_kernel(problem, device, **{**SMALL, **config}, grain="rows")


@pytest.mark.parametrize("room", [32, pytest.param(1, marks=SLOW)])
@pytest.mark.parametrize(
    "features",
    [
        {"causal": True},
        *(pytest.param(f, marks=SLOW) for f in ({"window": True, "grouped": True}, {"key_padding": True})),
    ],
    ids=str,
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


@pytest.mark.parametrize(
    "features",
    [{}, *(pytest.param(f, marks=SLOW) for f in ({"causal": True, "grouped": True}, {"training": False}))],
    ids=str,
)
def test_a_head_with_few_tiles_keeps_them_whole(
    features: dict[str, Any], device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four heads two attend to the first keys alone: fewer than three tiles of 16 keys for 32 queries."""
    problem = problem_of(**features)
    mark_heads(monkeypatch, few=3)
    kernel = kernel_of(problem, device, block_n=16)
    inputs = draw(problem, 100, 110, heads=4, device=device)
    inputs["q"][:, 1::2] = 3.0
    inputs["k"][..., :3, :] += 2.0
    agree(kernel, inputs)
    if problem.training:
        _, saved = kernel.forward(*(inputs[x] for x in "qkv"), inputs["scale"], **inputs["features"])
        for spans in (spans_of(kernel, saved), saved[-1]):
            whole = (spans[0, ..., 2] < 0).float().mean(1)
            assert (whole[1::2] == 1.0).all() and (whole[::2] < 1.0).all()


def test_a_list_whose_tiles_are_needed_nearly_whole_names_them(device: torch.device) -> None:
    """Of nearly equal scores with α = 1.2 nearly all are, of far apart ones with α = 2 few."""
    whole = {}
    for alpha, gain in (("1.2", 0.3), ("2", 8.0)):
        problem = problem_of(alpha)
        kernel = kernel_of(problem, device)
        inputs = draw(problem, 100, gain=gain, device=device)
        agree(kernel, inputs)
        _, saved = kernel.forward(*(inputs[x] for x in "qkv"), inputs["scale"])
        whole[alpha] = [bool((spans[..., 2] < 0).all()) for spans in (spans_of(kernel, saved), saved[-1])]
    assert whole == {"1.2": [True, True], "2": [False, False]}


@SLOW
def test_numbers_that_take_more_than_sixteen_bits(device: torch.device) -> None:
    """Of more than 65536 keys the lists name tiles; what one query needs stands at the far end."""
    problem = problem_of(dtype="float32", head_dim=16)
    inputs = draw(problem, 3, 65536 + 64, heads=1, device=device)
    inputs["k"][:, :, -5:] *= 3.0
    kernel = kernel_of(problem, device, bound_n=128, bound_m=32, block_n=32)
    agree(kernel, inputs)
    _, saved = kernel.forward(*(inputs[x] for x in "qkv"), inputs["scale"])
    assert (spans_of(kernel, saved)[..., 2] == -1).all()


@pytest.mark.parametrize("block_m", [16, 32])
def test_the_lists_hold_what_is_needed_and_little_else(block_m: int, device: torch.device) -> None:
    """Every pair with P above 0 is in both lists once; the bound lies a little below τ, so are a few more."""
    problem = problem_of(dtype="float32", causal=True)
    inputs = draw(problem, 150, 200, heads=1, gain=4.0, device=device)
    kernel = kernel_of(problem, device, block_m=block_m, block_n=32)
    _, saved = kernel.forward(*(inputs[x] for x in "qkv"), inputs["scale"])
    tau, *lists = saved[0][0, 0], *(each[0, 0] for each in saved[-6:])
    keys, key_spans, _, _, queries, query_spans = lists
    z = (inputs["q"] @ inputs["k"].mT)[0, 0].double() * inputs["scale"] / 2.0
    visible = torch.ones_like(z, dtype=torch.bool).tril(50)
    needed, near = ((z > tau[:, None] + margin) & visible for margin in (1e-6, -0.2))
    for pairs, block, spans, listed in (
        ((needed, near), block_m, key_spans, keys),
        ((needed.T, near.T), 32, query_spans, queries),
    ):
        for tile, (unmasked, count, begin) in enumerate(spans.tolist()):
            rows = slice(block * tile, block * (tile + 1))
            found = listed.flatten()[begin : begin + count].tolist()
            assert len(set(found)) == count
            least, most = (set(each[rows].any(0).nonzero()[:, 0].tolist()) for each in pairs)
            assert least <= set(found) <= most
            # Those whose tile the mask does not cut stand at the front.
            seen = visible[rows] if listed is keys else visible.T[rows]
            assert all(seen[:, other].all() for other in found[:unmasked])


def launches_of(grain: str, n_q: int, training: bool) -> list[str]:
    """Names of what a call launches, forward and backward."""
    problem = problem_of(head_dim=16, training=training)
    kernel = triton_kernel(problem, torch.device("cpu"), **{**SMALL, "grain": grain})
    launched: list[str] = []

    def record(function: Any, *args: Any, **options: Any) -> None:
        launched.append(function.__name__)

    q, k, v = torch.randn(1, 2, n_q, 16), *torch.randn(2, 1, 2, 64, 16)
    out, saved = with_launches(kernel.module, "forward", record)(q, k, v, 0.25)
    if training:
        with_launches(kernel.module, "backward", record)(out, q, k, v, 0.25, saved)
    return launched


def test_a_training_call_launches_eight_kernels() -> None:
    tiles = launches_of("tiles", 64, training=True)
    assert tiles == ["_bound", "_list_tiles", "_output", "_dq", "_dkdv"]
    rows = [*tiles[:2], "_mark", "_count_rows", "_list_rows", *tiles[2:]]
    assert launches_of("rows", 64, training=True) == rows


def test_a_few_queries_of_inference_are_not_marked() -> None:
    tiles = launches_of("tiles", 1, training=False)
    assert launches_of("rows", 1, training=False) == launches_of("rows", 32, training=False) == tiles
    assert "_mark" in launches_of("rows", 33, training=False)


def test_the_default_lists_rows_of_long_sequences() -> None:
    h100 = KNOWN_GPUS["h100"]

    def grains(alpha: str, training: bool = True) -> list[object]:
        problems = [
            attention(DType.BFLOAT16, 64, 1 << power, alpha=AlphaClass(alpha), training=training)
            for power in range(10, 15)
        ]
        return [family_named("attention_triton").default(problem, h100)["grain"] for problem in problems]

    tiles, rows = ["tiles"], ["rows"]
    assert grains("1.5") == grains("1.5", training=False) == [*tiles * 2, *rows * 3]
    assert grains("2") == grains("generic") == [*tiles, *rows * 4]
    assert grains("4/3") == grains("1.2") == [*tiles * 3, *rows * 2]


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

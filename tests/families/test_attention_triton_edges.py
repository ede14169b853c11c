"""Attention in Triton where kernels go wrong: odd shapes and strides, bad rows, large scores, ties."""

import math

import pytest
import torch
from attention_cases import CASE, NUMPY_IS_QUIET, SMALL, agree, draw, packed, problem_of, triton_kernel

from splashgen.families import family_named
from splashgen.gpu import CPU
from splashgen.reference import attention

SLOW = pytest.mark.slow
pytestmark = [
    NUMPY_IS_QUIET,
    pytest.mark.usefixtures("grain"),
    pytest.mark.parametrize("grain", ["tiles", pytest.param("rows", marks=SLOW)], indirect=True),
]


@pytest.mark.parametrize(("n_q", "n_k"), [(1, 1), (1, 77), (77, 1), (20, 75), (75, 20), (64, 64), (100, 100)])
def test_lengths(n_q: int, n_k: int, device: torch.device) -> None:
    problem = problem_of(causal=True)
    # With one key dK is what rounding leaves of equal terms: three tf32 products leave 3e-7, float32 1e-7.
    kernel = triton_kernel(problem, device, **{**SMALL, "precision": "ieee"})
    agree(kernel, draw(problem, n_q, n_k, heads=1, device=device))


@pytest.mark.parametrize("dtype", ["float16", pytest.param("bfloat16", marks=pytest.mark.gpu)])
def test_one_key_leaves_no_gradient_of_its_score(dtype: str, device: torch.device) -> None:
    """The value that is kept for the backward pass is the key's own, to the last bit."""
    if dtype == "bfloat16" and device.type == "cpu":
        pytest.skip("the interpreter has no bfloat16")
    problem = problem_of("1.5", dtype, head_dim=64)
    agree(triton_kernel(problem, device, **SMALL), draw(problem, 20, 1, device=device))


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float16", marks=SLOW)])
@pytest.mark.parametrize(
    ("head_dim", "value_dim"),
    [(16, 16), (20, 40), (80, 80), (96, 48), (112, 16), (64, 128)]
    + [pytest.param(dim, dim, marks=SLOW) for dim in (160, 192, 256)],
)
def test_head_dims(head_dim: int, value_dim: int, dtype: str, device: torch.device) -> None:
    problem = problem_of("1.5", dtype, head_dim=head_dim, value_dim=value_dim)
    tiles = SMALL if device.type == "cpu" else {}  # the default fits a GPU's shared memory at every width
    agree(triton_kernel(problem, device, **tiles), draw(problem, 40, heads=1, device=device))


@pytest.mark.parametrize("shape", [(0, 5, 5), (1, 0, 5), (1, 5, 0)], ids=["no batch", "no query", "no key"])
def test_nothing_to_do(shape: tuple[int, int, int], device: torch.device) -> None:
    batch, n_q, n_k = shape
    problem = problem_of(causal=True)
    inputs = draw(problem, n_q, n_k, batch=batch, device=device)
    for name, result in CASE.run(triton_kernel(problem, device, **SMALL), inputs).items():
        assert not result.any(), name


def test_rows_without_keys_are_exactly_zero(device: torch.device) -> None:
    problem = problem_of(attn_mask=True, key_padding=True)
    mask = torch.rand(2, 1, 50, 45, generator=torch.Generator().manual_seed(0)) < 0.7
    mask[:, :, 7] = False
    exists = torch.ones(2, 45, dtype=torch.bool)
    exists[1] = False
    masks = {"attn_mask": mask.expand(2, 2, 50, 45).to(device), "key_padding": exists.to(device)}
    inputs = draw(problem, 50, 45, batch=2, device=device, **masks)
    kernel = triton_kernel(problem, device, **SMALL)
    agree(kernel, inputs)
    results = CASE.run(kernel, inputs)
    assert not results["out"][0, :, 7].any() and not results["dq"][0, :, 7].any()
    assert not any(results[name][1].any() for name in ("out", "dq", "dk", "dv"))
    tau = kernel.forward(inputs["q"], inputs["k"], inputs["v"], inputs["scale"], **masks)[1][0]
    assert bool((tau[0, :, 7] == math.inf).all()) and bool((tau[1] == math.inf).all())


@pytest.mark.parametrize("holes", ["left", "right", "scattered"])
def test_padding_is_never_read(holes: str, device: torch.device) -> None:
    problem = problem_of(key_padding=True, causal=True)
    exists = torch.ones(1, 60, dtype=torch.bool, device=device)
    if holes == "scattered":
        exists[0, 3::7] = False
    else:
        exists[0, slice(0, 37) if holes == "left" else slice(41, 60)] = False
    inputs = draw(problem, 60, heads=1, device=device, key_padding=exists)
    kernel = triton_kernel(problem, device, **SMALL)
    agree(kernel, inputs)
    clean = CASE.run(kernel, inputs)
    for name, bad in (("k", math.nan), ("v", math.inf)):
        inputs[name] = torch.where(exists[:, None, :, None], inputs[name], bad)
    for name, result in CASE.run(kernel, inputs).items():
        assert torch.equal(result, clean[name]), name


@pytest.mark.parametrize("feature", ["attn_mask", "window"])
def test_keys_that_no_query_sees_are_never_read(feature: str, device: torch.device) -> None:
    problem = problem_of("1.5", "float32", causal=True, **{feature: True})
    hidden = torch.arange(60, device=device) < 14
    masks = {"window_left": 5, "window_right": 0}
    if feature == "attn_mask":
        masks = {"attn_mask": ~hidden.expand(1, 1, 41, 60)}
    inputs = draw(problem, 41, 60, heads=1, device=device, **masks)
    kernel = triton_kernel(problem, device, **SMALL)
    clean = CASE.run(kernel, inputs)
    for name in ("k", "v"):
        inputs[name] = torch.where(hidden[:, None], math.nan, inputs[name])
    for name, result in CASE.run(kernel, inputs).items():
        assert torch.equal(result, clean[name]), name


@pytest.mark.parametrize("alpha", ["2", "1.5", "generic"])
def test_scores_up_to_200(alpha: str, device: torch.device) -> None:
    problem = problem_of(alpha, causal=True)
    agree(triton_kernel(problem, device, **SMALL), draw(problem, 70, gain=60.0, device=device))


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("gain", "sign"), [(2.0**13, -1.0), (2.0**15, -1.0), (2.0**20, 1.0)])
def test_scores_beyond_half_precision(gain: float, sign: float, causal: bool, device: torch.device) -> None:
    """Tile maxima are kept in half precision: its range must not matter, negative scores included.

    All products are exact, and no two keys of a row within 1: of rounded scores this large, the order of a
    sum would decide who is kept, and it need not be the same forward and backward.
    """
    problem = problem_of(causal=causal)
    inputs = draw(problem, 40 if causal else 64, heads=1, device=device)
    inputs["q"] = sign * gain * inputs["q"].abs().round()
    inputs["k"] = (256.0 * inputs["k"].abs()).round() / 256.0
    agree(triton_kernel(problem, device, **SMALL), inputs)


@pytest.mark.parametrize("alpha", ["2", "4/3"])
def test_ties(alpha: str, device: torch.device) -> None:
    problem = problem_of(alpha)
    inputs = draw(problem, 60, heads=1, device=device)
    inputs["q"] = inputs["q"].round()
    inputs["k"] = inputs["k"][:, :, torch.arange(60) % 4].round()
    agree(triton_kernel(problem, device, **SMALL), inputs)


def test_scores_of_minus_infinity_are_masked(device: torch.device) -> None:
    problem = problem_of(training=False)
    inputs = draw(problem, 45, heads=1, device=device)
    inputs["q"][..., 0] = 1.0
    inputs["k"][:, :, 5::9, 0] = -math.inf
    kernel = triton_kernel(problem, device, **SMALL)
    q, k, v, scale = (inputs[name] for name in ("q", "k", "v", "scale"))
    visible = (torch.arange(45, device=device) % 9 != 5).expand(45, 45)
    truth = attention(q, k, v, alpha=1.5, scale=scale, attn_mask=visible)
    assert (kernel.forward(q, k, v, scale)[0] - truth).norm() <= 1e-5 * truth.norm()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_query_poisons_its_row_alone(bad: float, device: torch.device) -> None:
    problem = problem_of(causal=True)
    inputs = draw(problem, 70, device=device)
    kernel = triton_kernel(problem, device, **SMALL)
    clean = CASE.run(kernel, inputs)
    inputs["q"][0, 1, 40, 3] = bad
    results = CASE.run(kernel, inputs)
    others = torch.ones(1, 2, 70, dtype=torch.bool, device=device)
    others[0, 1, 40] = False
    for name in ("out", "dq"):
        assert results[name][0, 1, 40].isnan().all(), name
        # Not to the bit: a bad row no longer asks for passes that its neighbours would share.
        torch.testing.assert_close(results[name][others], clean[name][others], rtol=1e-4, atol=1e-5)
    assert torch.equal(results["dk"][0, 0], clean["dk"][0, 0])  # the other head


@pytest.mark.parametrize("scale", [-0.3, 0.0, 1e-3])
def test_any_scale(scale: float, device: torch.device) -> None:
    for features in ({}, {"alibi": True}):
        problem = problem_of(causal=True, **features)
        inputs = draw(problem, 45, heads=1, device=device) | {"scale": scale}
        agree(triton_kernel(problem, device, **SMALL), inputs)


def test_strided_inputs(device: torch.device) -> None:
    """Heads after lengths, all in one tensor, a slice of a longer last dimension; gradients strided too."""
    problem = problem_of(causal=True, head_dim=16)
    inputs = draw(problem, 50, batch=2, heads=2, device=device)
    kernel = triton_kernel(problem, device, **SMALL)
    expected = CASE.run(kernel, inputs)
    fused = torch.empty(2, 50, 4, 2, 20, device=device)
    for index, name in enumerate(("q", "k", "v", "dout")):
        view = fused[:, :, index, :, 2:18].transpose(1, 2)
        view.copy_(inputs[name])
        inputs[name] = view
    for name, result in CASE.run(kernel, inputs).items():
        assert torch.equal(result, expected[name]), name


def test_expanded_keys(device: torch.device) -> None:
    """Keys and values that all batches share, with stride 0."""
    problem = problem_of()
    inputs = draw(problem, 40, batch=2, device=device)
    for name in ("k", "v"):
        inputs[name] = inputs[name][:1].expand(2, -1, -1, -1)
    agree(triton_kernel(problem, device, **SMALL), inputs)


@pytest.mark.parametrize("slopes", [(2,), (2, 2)])
def test_slopes_of_heads_and_batches(slopes: tuple[int, ...], device: torch.device) -> None:
    problem = problem_of("4/3", causal=True, alibi=True)
    drawn = torch.rand(slopes, generator=torch.Generator().manual_seed(0)).to(device)
    inputs = draw(problem, 40, batch=2, device=device, alibi_slopes=drawn)
    agree(triton_kernel(problem, device, **SMALL), inputs)


@pytest.mark.parametrize(
    "window",
    [
        (0, 0),
        (-1, 7),
        (40, 3),
        (2**31 - 1, 2**31 - 1),
        *(pytest.param(w, marks=SLOW) for w in [(7, -1), (500, 500), (2**63 - 1, 2**30 + 1)]),
    ],
)
def test_windows(window: tuple[int, int], device: torch.device) -> None:
    problem = problem_of(window=True)
    sides = {"window_left": window[0], "window_right": window[1]}
    agree(triton_kernel(problem, device, **SMALL), draw(problem, 80, 70, heads=1, device=device, **sides))


@pytest.mark.parametrize("alpha", [1.79, 1.95])
def test_alpha_near_2_in_half_precision(alpha: float, device: torch.device) -> None:
    """Where p = 1/(α-1) is below 2, a Newton step leaves more of the residual than float16 forgives."""
    problem = problem_of("generic", "float16", causal=True)
    values = torch.tensor([alpha], device=device)
    kernel = triton_kernel(problem, device, **SMALL)
    agree(kernel, draw(problem, 90, device=device, alpha=values))


def test_the_default_s_tolerance_depends_on_alpha() -> None:
    default = family_named("attention_triton").default
    tolerances = {
        (alpha, dtype): default(problem_of(alpha, dtype), CPU)["tolerance"]
        for alpha in ("1.5", "1.2", "2", "generic")
        for dtype in ("bfloat16", "float16")
    }
    rough = {tolerances[alpha, dtype] for alpha in ("2", "generic") for dtype in ("bfloat16", "float16")}
    assert rough == {1e-3}, "p = 1/(α-1) may be below 2"
    assert {tolerances[alpha, "bfloat16"] for alpha in ("1.5", "1.2")} == {0.15}
    assert {tolerances[alpha, "float16"] for alpha in ("1.5", "1.2")} == {0.02}


def test_what_the_backward_pass_knows_of_a_row_has_eleven_bits(device: torch.device) -> None:
    """O₂ of values so small that float16 itself would keep none of their averages' digits."""
    problem = problem_of("1.5", "float16")
    inputs = draw(problem, 60, 90, heads=1, device=device)
    inputs["v"] = inputs["v"].sign() * 2.0**-24
    kernel = triton_kernel(problem, device, **SMALL, tolerance=1e-5)
    _, (tau, out2, peaks, *_) = kernel.forward(inputs["q"], inputs["k"], inputs["v"], inputs["scale"])
    scores = 0.5 * inputs["scale"] * inputs["q"].double() @ inputs["k"].double().mT
    weights = (scores - tau.double()[..., None]).clamp(min=0.0)
    exact = weights @ inputs["v"].double() / weights.sum(-1, keepdim=True)
    kept = out2.double() * peaks.double()[..., None]
    # U is rounded to float16 too, before it is summed.
    assert bool(((kept - exact).abs() <= 2.0**-10 * exact.abs().amax(-1, keepdim=True)).all())


@pytest.mark.gpu
def test_values_beyond_half_precision() -> None:
    """What is kept of O₂ in float16 does not overflow."""
    problem, device = problem_of("1.5", "bfloat16", causal=True), torch.device("cuda")
    inputs = draw(problem, 200, device=device)
    inputs["v"] *= 1e6
    agree(triton_kernel(problem, device, **SMALL), inputs)


@pytest.mark.parametrize("varlen", [False, True])
def test_the_same_bits_twice(varlen: bool, device: torch.device) -> None:
    problem = problem_of(causal=True, grouped=True, varlen=varlen)
    kernel = triton_kernel(problem, device, **SMALL)
    inputs = (
        packed(problem, [30, 25], [30, 40], device=device) if varlen else draw(problem, 60, device=device)
    )
    first, second = CASE.run(kernel, inputs), CASE.run(kernel, inputs)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("alpha", ["2", "1.5", "generic"])
def test_inference_agrees_with_training(alpha: str, device: torch.device) -> None:
    training, inference = (problem_of(alpha, causal=True, training=which) for which in (True, False))
    inputs = draw(training, 60, device=device)
    agree(triton_kernel(inference, device, **SMALL), inputs)
    source = triton_kernel(inference, device, **SMALL).rendered.source
    assert "backward" not in source and "out2" not in source
    one, other = (triton_kernel(problem, device, **SMALL) for problem in (training, inference))
    assert (CASE.run(one, inputs)["out"] - CASE.run(other, inputs)["out"]).abs().max() < 1e-5


@pytest.mark.parametrize("alpha", ["2", "1.5", "1.2", "generic"])
def test_rows_sum_to_one_over_the_exact_support(alpha: str, device: torch.device) -> None:
    """With V = 1 each output is the sum of its row; τ divides support from zeros as the exact τ does."""
    problem = problem_of(alpha, causal=True)
    inputs = draw(problem, 70, device=device)
    q, k, v, scale = (inputs[name] for name in ("q", "k", "v", "scale"))
    kernel = triton_kernel(problem, device, **SMALL)
    out, saved = kernel.forward(q, k, torch.ones_like(v), scale, **inputs["features"])
    torch.testing.assert_close(out, torch.ones_like(out), rtol=0.0, atol=2e-5)
    number = problem.alpha.alpha or inputs["features"]["alpha"].item()
    _, tau = attention(q, k, v, alpha=number, scale=scale, is_causal=True, return_tau=True)
    torch.testing.assert_close(saved[0].double(), tau, rtol=1e-6, atol=2e-6)
    z = (number - 1.0) * scale * (q.double() @ k.double().mT)
    z = z.masked_fill(torch.ones(70, 70, device=device).triu(1).bool(), -math.inf)
    ties = (z - tau[..., None]).abs() < 1e-5
    assert torch.equal((z > saved[0][..., None].double()) | ties, (z > tau[..., None]) | ties)
    assert ties.sum() < 0.001 * z.numel()

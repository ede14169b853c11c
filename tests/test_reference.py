"""The truth is judged by what does not depend on it: the entmax package, finite differences, identities."""

import entmax as package
import pytest
import torch

from splashgen import reference

ALPHAS = (1.01, 1.2, 4 / 3, 1.35, 1.5, 1.75, 1.99, 2.0)


def normal(*shape: int, seed: int = 0, gain: float = 1.0) -> torch.Tensor:
    return gain * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def problem(
    n_q: int = 9, n_k: int = 9, heads: int = 2, kv_heads: int = 2, value_dim: int = 4
) -> list[torch.Tensor]:
    q, k = normal(2, heads, n_q, 6, seed=1), normal(2, kv_heads, n_k, 6, seed=2)
    v, dout = normal(2, kv_heads, n_k, value_dim, seed=3), normal(2, heads, n_q, value_dim, seed=4)
    return [2 * q, k, v, dout]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda x: reference.entmax(x, 2.0), package.sparsemax),
        (lambda x: reference.entmax(x, 1.5), package.entmax15),
        *[
            (lambda x, a=a: reference.entmax(x, a), lambda x, a=a: package.entmax_bisect(x, a, n_iter=80))
            for a in ALPHAS
        ],
    ],
)
def test_values_and_gradients_are_those_of_the_entmax_package(ours, theirs):
    x, dy = normal(5, 130, gain=3.0), normal(5, 130, seed=1)
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = ours(mine), theirs(other)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)
    y.backward(dy)
    expected.backward(dy)
    torch.testing.assert_close(mine.grad, other.grad, rtol=0, atol=1e-10)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("gain", [0.0, 1.0, 50.0])
def test_tau_makes_the_probabilities_sum_to_one(alpha, gain):
    x = normal(7, 300, gain=gain)
    y = ((alpha - 1) * x - reference.tau(x, alpha)[:, None]).clamp(min=0) ** (1 / (alpha - 1))
    torch.testing.assert_close(y.sum(-1), torch.ones(7, dtype=torch.float64), rtol=0, atol=1e-11)


@pytest.mark.parametrize("alpha", [1.0001, *ALPHAS[:-1]])
def test_gradients_for_scores_and_alpha_are_finite_differences(alpha):
    rows = torch.full((4, 1), alpha, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(reference.entmax, (normal(4, 12, gain=2.0).requires_grad_(), rows))


def test_a_tensor_alpha_is_read_row_by_row():
    x, alphas = normal(3, 40), torch.tensor([[1.2], [1.5], [2.0]], dtype=torch.float64)
    expected = torch.stack(
        [reference.entmax(row, float(alpha)) for row, alpha in zip(x, alphas, strict=True)]
    )
    torch.testing.assert_close(reference.entmax(x, alphas), expected, rtol=0, atol=1e-13)


def test_other_dimensions_and_types():
    x = normal(4, 5, 3).float()
    y = reference.entmax(x, 1.5, dim=1)
    assert y.dtype == torch.float64
    torch.testing.assert_close(y, reference.entmax(x.movedim(1, -1), 1.5).movedim(-1, 1))
    assert reference.tau(x, 1.5, dim=1).shape == (4, 3)


@pytest.mark.parametrize("alpha", [1.35, 1.5, 2.0])
def test_an_empty_row_is_zero_and_so_is_its_gradient(alpha):
    x = normal(3, 8)
    x[1], x[2, :5] = -torch.inf, -torch.inf
    x.requires_grad_()
    y = reference.entmax(x, alpha)
    y.backward(normal(3, 8, seed=1))
    assert (y[1] == 0).all() and (x.grad[1] == 0).all() and x.grad.isfinite().all()
    assert (y[2, :5] == 0).all()
    assert reference.tau(x, alpha)[1] == torch.inf


@pytest.mark.parametrize("alpha", [1.35, 1.5, 2.0])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_poisoned_row_poisons_no_other(alpha, value):
    x = normal(3, 8)
    clean = reference.entmax(x, alpha)
    x[1, 2] = value
    y = reference.entmax(x, alpha)
    assert y[1].isnan().all()
    torch.testing.assert_close(y[[0, 2]], clean[[0, 2]])


def test_one_element_and_none():
    assert reference.entmax(torch.tensor([[7.0]]), 1.35).item() == 1.0
    assert reference.entmax(torch.zeros(3, 0), 1.5).shape == (3, 0)


@pytest.mark.parametrize("alpha", [1.0, 2.5, torch.tensor([1.5, 1.0]), torch.tensor([torch.nan, 1.5])])
def test_an_alpha_out_of_range_is_refused(alpha):
    with pytest.raises(ValueError, match=r"\(1, 2\]"):
        reference.entmax(torch.zeros(2, 3), alpha[:, None] if isinstance(alpha, torch.Tensor) else alpha)


MASKS = {
    "none": {},
    "causal": {"is_causal": True},
    "window": {"window_size": (3, 1)},
    "alibi": {"alibi_slopes": torch.tensor([0.5, 0.25, 0.1, 0.7])},
    "padding": {"key_padding": torch.tensor([[False] * 3 + [True] * 8, [True] * 5 + [False] * 6])},
    "mask": {"attn_mask": normal(1, 4, 7, 11, seed=9) > 0},
    "all": {
        "is_causal": True,
        "window_size": (6, -1),
        "alibi_slopes": torch.rand(2, 4, generator=torch.Generator().manual_seed(0)),
        "key_padding": torch.tensor([[False] * 3 + [True] * 8, [True] * 5 + [False] * 6]),
        "attn_mask": normal(7, 11, seed=9) > -1,
    },
}


def written_out(q, k, v, alpha, masks):
    """Attention of one query and head at a time, as a reader of the documentation would compute it."""
    (batch, heads, n_q, d), n_k, group = q.shape, k.shape[2], q.shape[1] // k.shape[1]
    left, right = masks.get("window_size", (-1, -1))
    slopes = torch.atleast_2d(masks.get("alibi_slopes", torch.zeros(heads))).expand(batch, heads).double()
    padding = masks.get("key_padding", torch.ones(batch, n_k, dtype=torch.bool))
    mask = masks.get("attn_mask", torch.tensor(True)).expand(batch, heads, n_q, n_k)
    out = torch.zeros(batch, heads, n_q, v.shape[-1], dtype=torch.float64)
    for b, h, i in torch.cartesian_prod(torch.arange(batch), torch.arange(heads), torch.arange(n_q)).tolist():
        here = i + n_k - n_q
        visible = [
            j
            for j in range(n_k)
            if not (masks.get("is_causal") and j > here)
            and not (left >= 0 and j < here - left)
            and not (right >= 0 and j > here + right)
            and padding[b, j]
            and mask[b, h, i, j]
        ]
        if visible:
            distance = torch.tensor([abs(here - j) for j in visible])
            scores = k[b, h // group, visible] @ q[b, h, i] / d**0.5 - slopes[b, h] * distance
            out[b, h, i] = reference.entmax(scores, alpha) @ v[b, h // group, visible]
    return out


@pytest.mark.parametrize("name", MASKS)
def test_attention_is_its_definition(name):
    q, k, v, _ = problem(7, 11, heads=4, kv_heads=2)
    out = reference.attention(q, k, v, alpha=1.35, **MASKS[name])
    torch.testing.assert_close(out, written_out(q, k, v, 1.35, MASKS[name]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("rows", [None, 3])
@pytest.mark.parametrize("alpha", [1.5, torch.tensor([1.3]), torch.tensor([1.2, 1.4, 1.5, 1.9])])
def test_explicit_gradients_are_those_of_autograd(name, rows, alpha):
    *tensors, dout = problem(7, 11, heads=4, kv_heads=2)
    leaves = [tensor.requires_grad_() for tensor in tensors]
    if isinstance(alpha, torch.Tensor):
        alpha = alpha.double().requires_grad_()
        leaves.append(alpha)
    out = reference.attention(*leaves[:3], alpha=alpha, scale=0.7, **MASKS[name])
    expected = [out, *torch.autograd.grad(out, leaves, dout)]
    with torch.no_grad():
        results = reference.attention_gradients(
            *leaves[:3], dout, alpha=alpha, scale=0.7, rows=rows, **MASKS[name]
        )
    size = results.pop("dalpha_size", None)
    assert (size is not None) == isinstance(alpha, torch.Tensor)
    assert list(results) == ["out", "dq", "dk", "dv", "dalpha"][: len(expected)]
    for actual, true in zip(results.values(), expected, strict=True):
        torch.testing.assert_close(actual, true, rtol=0, atol=1e-11)


@pytest.mark.parametrize("alpha", [1.2, 4 / 3, 1.5, 2.0])
def test_second_derivatives_of_the_scores(alpha):
    x = normal(3, 7, gain=2.0).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: reference.entmax(x, alpha), (x,))


def test_second_derivatives_of_attention():
    leaves = [normal(1, 1, 5, 4).requires_grad_() for _ in range(3)]
    assert torch.autograd.gradgradcheck(lambda q, k, v: reference.attention(q, k, v, alpha=1.5), leaves)


def test_the_gradient_of_alpha_has_no_derivative():
    x, alpha = normal(3, 7).requires_grad_(), torch.tensor(1.4, dtype=torch.float64, requires_grad=True)
    with pytest.raises(RuntimeError, match="gradient of alpha cannot be differentiated again"):
        torch.autograd.grad(reference.entmax(x, alpha).square().sum(), x, create_graph=True)


def test_attention_passes_gradcheck():
    *tensors, _ = problem(4, 5)
    alpha = torch.tensor([1.3, 1.7], dtype=torch.float64, requires_grad=True)
    leaves = [tensor.requires_grad_() for tensor in tensors]

    def of(q, k, v, alpha):
        return reference.attention(q, k, v, alpha=alpha, is_causal=True)

    assert torch.autograd.gradcheck(of, (*leaves, alpha))


def test_a_query_that_sees_nothing_has_no_output_and_no_gradient():
    q, k, v, dout = problem(9, 4)
    results = reference.attention_gradients(q, k, v, dout, is_causal=True)
    assert (results["out"][:, :, :5] == 0).all() and (results["dq"][:, :, :5] == 0).all()
    _, tau = reference.attention(q, k, v, is_causal=True, return_tau=True)
    assert (tau[:, :, :5] == torch.inf).all() and tau[:, :, 5:].isfinite().all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_lies_behind_a_mask_is_never_read(value):
    q, k, v, dout = problem(6, 8)
    padding = torch.ones(2, 8, dtype=torch.bool)
    padding[0, :3] = padding[1, 5:] = False
    masks = {"key_padding": padding, "attn_mask": torch.arange(6)[:, None] != 2}
    expected = reference.attention_gradients(q, k, v, dout, **masks)
    for tensor in (k, v):
        tensor.masked_fill_(~padding[:, None, :, None], value)
    q[:, :, 2] = dout[:, :, 2] = value
    dense = reference.attention(q, k, v, **masks)
    results = reference.attention_gradients(q, k, v, dout, **masks)
    torch.testing.assert_close(dense, expected["out"])
    torch.testing.assert_close(results, expected)


def test_a_nan_query_poisons_only_its_row():
    q, k, v, _ = problem(6, 6)
    clean = reference.attention(q, k, v)
    q[0, 1, 3, 0] = torch.nan
    out = reference.attention(q, k, v)
    assert out[0, 1, 3].isnan().all()
    out[0, 1, 3] = clean[0, 1, 3]
    torch.testing.assert_close(out, clean)


def test_packed_sequences_are_the_sequences_one_by_one():
    lengths_q, lengths_k = [4, 0, 7, 1], [6, 2, 5, 1]
    cu_q, cu_k = (torch.tensor([0, *ls]).cumsum(0) for ls in (lengths_q, lengths_k))
    q, k, v, dout = (
        normal(12, 4, 6),
        normal(14, 2, 6, seed=1),
        normal(14, 2, 3, seed=2),
        normal(12, 4, 3, seed=3),
    )
    alpha = torch.tensor([1.2, 1.4, 1.5, 1.9], dtype=torch.float64, requires_grad=True)
    leaves = [q.requires_grad_(), k.requires_grad_(), v.requires_grad_(), alpha]
    options = {
        "is_causal": True,
        "alibi_slopes": torch.rand(4, 4),
        "key_padding": torch.rand(4, 6) < 0.8,
        "attn_mask": torch.rand(4, 4, 7, 6) < 0.8,
    }
    out, tau = reference.attention_varlen(q, k, v, cu_q, cu_k, alpha=alpha, return_tau=True, **options)
    assert out.shape == (12, 4, 3) and tau.shape == (4, 12)
    slopes = options["alibi_slopes"][2]
    third = reference.attention(
        *(
            x[rows].transpose(0, 1)[None]
            for x, rows in ((q, slice(4, 11)), (k, slice(8, 13)), (v, slice(8, 13)))
        ),
        alpha=alpha,
        is_causal=True,
        alibi_slopes=slopes,
        key_padding=options["key_padding"][2:3, :5],
        attn_mask=options["attn_mask"][2:3, :, :7, :5],
    )
    torch.testing.assert_close(out[4:11], third[0].transpose(0, 1))
    expected = [out, *torch.autograd.grad(out, leaves, dout)]
    with torch.no_grad():
        results = reference.attention_varlen_gradients(q, k, v, dout, cu_q, cu_k, alpha=alpha, **options)
    assert results.pop("dalpha_size").shape == (4,)
    for actual, true in zip(results.values(), expected, strict=True):
        torch.testing.assert_close(actual, true, rtol=0, atol=1e-11)


def test_bfloat16_rounded_once_costs_what_the_theory_says():
    q, k, v, dout = (normal(1, 2, 512, 64, seed=seed).bfloat16() for seed in range(4))
    truth = reference.attention_gradients(q, k, v, dout)
    rounded = reference.attention_gradients(q, k, v, dout, rounded_to=torch.bfloat16)
    errors = {name: float((rounded[name] - truth[name]).norm() / truth[name].norm()) for name in truth}
    assert 2.2e-3 < errors["out"] < 2.45e-3  # two independent roundings of 1.65e-3
    assert all(2.2e-3 < errors[name] < 3e-3 for name in ("dq", "dk", "dv"))
    assert torch.equal(rounded["out"], rounded["out"].bfloat16().double())


def test_lengths_of_zero():
    q, k, v, dout = problem(3, 0)
    results = reference.attention_gradients(q, k, v, dout)
    assert (results["out"] == 0).all() and results["dk"].shape == k.shape
    q, k, v, dout = problem(0, 3)
    assert (reference.attention_gradients(q, k, v, dout)["dk"] == 0).all()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4)), "must be"),
        (((1, 2, 3, 4), (1, 2, 3, 5), (1, 2, 3, 4)), "must agree"),
        (((1, 3, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4)), "multiple"),
    ],
)
def test_shapes_that_cannot_go_together_are_refused(shapes, message):
    with pytest.raises(ValueError, match=message):
        reference.attention(*(torch.zeros(shape) for shape in shapes))


def test_alpha_and_packing_must_fit_the_problem():
    q, k, v, _ = problem()
    with pytest.raises(ValueError, match="alpha has 3 values"):
        reference.attention(q, k, v, alpha=torch.full((3,), 1.5))
    with pytest.raises(ValueError, match="cu_seqlens_q has 2"):
        reference.attention_varlen(q[0], k[0], v[0], torch.tensor([0, 2]), torch.tensor([0, 1, 2]))

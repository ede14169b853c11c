"""EntmaxAttention: its options, its gradients, and agreement with the function it wraps."""

import pytest
import torch

import splashgen
from splashgen.alpha import LEAST_ALPHA
from splashgen.learned import learned_alpha
from splashgen.nn import EntmaxAttention, nape_slopes

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned")


@pytest.mark.parametrize(
    "options",
    [{}, {"num_kv_heads": 2}, {"learn_alpha": True}, {"scalable": True}, {"nape": True},
     {"learn_alpha": True, "scalable": True, "nape": True, "num_kv_heads": 1}],
)  # fmt: skip
def test_every_parameter_gets_a_gradient(options: dict) -> None:
    torch.manual_seed(0)
    layer = EntmaxAttention(32, 4, **options)
    x = torch.randn(2, 9, 32)
    layer(x, is_causal=True, key_padding=torch.tensor([9, 5])).square().sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert layer.z is None or layer.z.grad.abs().min() > 0


def test_is_attention_between_projections() -> None:
    torch.manual_seed(0)
    layer = EntmaxAttention(16, 2, alpha=2.0)
    x, context = torch.randn(1, 5, 16), torch.randn(1, 7, 16)
    heads = [
        one(t).unflatten(-1, (2, 8)).transpose(1, 2)
        for one, t in ((layer.query, x), (layer.key, context), (layer.value, context))
    ]
    expected = layer.output(splashgen.attention(*heads, alpha=2.0).transpose(1, 2).flatten(2))
    torch.testing.assert_close(layer(x, context), expected)


@pytest.mark.parametrize("alpha", [LEAST_ALPHA, 1.01, 1.5, 1.9, 2.0])
def test_learned_alpha_starts_where_it_is_told(alpha: float) -> None:
    layer = EntmaxAttention(16, 2, alpha=alpha, learn_alpha=True)
    torch.testing.assert_close(learned_alpha(layer.z), torch.full((2,), alpha), atol=2e-4, rtol=0)


def test_learned_alpha_stays_in_its_range_and_moves_everywhere() -> None:
    z = torch.tensor([-1000.0, -12.0, 0.0, 12.0, 1000.0], requires_grad=True)
    alpha = learned_alpha(z)
    assert alpha.min() >= torch.tensor(LEAST_ALPHA) and alpha.max() <= 2.0
    alpha.sum().backward()
    assert (z.grad[1:4] > 0).all()


def test_scaling_starts_as_none() -> None:
    torch.manual_seed(0)
    plain, scaled = EntmaxAttention(16, 2), EntmaxAttention(16, 2, scalable=True)
    scaled.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(1, 6, 16)
    torch.testing.assert_close(scaled(x), plain(x))


def test_nape_slopes() -> None:
    torch.testing.assert_close(nape_slopes(5), torch.tensor([0, 0, 1, 1 / 2, 1 / 3]))


@pytest.mark.parametrize(("options", "message"), [((10, 3), "num_heads"), ((12, 3, 2), "num_kv_heads")])
def test_widths_that_cannot_be_divided(options: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EntmaxAttention(*options[:2], num_kv_heads=options[2] if len(options) > 2 else None)


def test_alpha_is_what_the_next_call_takes() -> None:
    fixed, learned = EntmaxAttention(16, 2, alpha=1.7), EntmaxAttention(16, 2, learn_alpha=True)
    assert fixed.alpha == 1.7
    before = learned.alpha
    torch.testing.assert_close(before, torch.full((2,), 1.5))
    with torch.no_grad():
        learned.z.copy_(torch.tensor([-1.0, 1.0]))
    assert (learned.alpha < before).tolist() == [True, False]
    assert learned.alpha.requires_grad, "a penalty on it may be part of the loss"
    fixed.alpha = 2.0
    x = torch.randn(1, 5, 16)
    same = EntmaxAttention(16, 2, alpha=2.0)
    same.load_state_dict(fixed.state_dict())
    torch.testing.assert_close(fixed(x), same(x))
    with pytest.raises(ValueError, match="is learned in this layer"):
        learned.alpha = 2.0
    with pytest.raises(ValueError, match="alpha is 3"):
        fixed.alpha = 3.0


def test_what_is_printed_names_heads_alpha_and_options() -> None:
    assert "(16, 2, alpha=1.5" in repr(EntmaxAttention(16, 2)).replace("\n  ", "")
    text = EntmaxAttention(16, 2, num_kv_heads=1, learn_alpha=True, scalable=True, nape=True).extra_repr()
    assert "learn_alpha=True" in repr(EntmaxAttention(16, 2, learn_alpha=True, device="meta"))
    assert text == "16, 2, num_kv_heads=1, alpha=[1.5, 1.5], learn_alpha=True, scalable=True, nape=True"


@pytest.mark.parametrize("shape", [(5, 16), (1, 2, 5, 16), (1, 5, 8)])
def test_shapes_are_refused_by_the_name_of_the_argument(shape: tuple[int, ...]) -> None:
    layer, right = EntmaxAttention(16, 2), torch.randn(1, 5, 16)
    with pytest.raises(ValueError, match=r"^x has shape .* but must have \(batch, seq, 16\)"):
        layer(torch.randn(shape))
    with pytest.raises(ValueError, match=r"^context has shape"):
        layer(right, torch.randn(shape))

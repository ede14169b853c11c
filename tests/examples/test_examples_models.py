"""Models compute the attention that they are said to, and a step's peers are timed or say why not."""

import pytest

pytest.importorskip("transformers", reason="The experiments need Transformers.")
import torch
import transformers

from examples.convert import support_shares
from examples.kit.costs import verdicts
from examples.kit.minilm import PADDING, load
from examples.kit.shapes import Shape, build, configured
from examples.kit.step import Contest
from examples.kit.swap import Swap, local_softmax
from splashgen.bench.cells import Cell
from splashgen.problem import DType

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned")

SMALL = Shape(layers=3, heads=2, vocabulary=50, head_dim=16)


def test_local_softmax_sees_its_window():
    query, key, value = torch.randn(3, 2, 3, 64, 16, dtype=torch.float64).unbind()
    place = torch.arange(64)
    near = (place[:, None] - place).abs() <= 16
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, near)
    torch.testing.assert_close(local_softmax(query, key, value, 16), expected)


@pytest.mark.parametrize("family", ["gpt2", "roberta", "modernbert"])
def test_variants_are_one_model_with_different_attention(family):
    tokens = torch.randint(2, 50, (2, 24), generator=torch.Generator().manual_seed(0))
    states = {}
    for alpha in (None, 1.01, 2.0):
        torch.manual_seed(0)
        model = build(transformers.AutoModel, configured(family, SMALL, 24), alpha).eval()
        for parameter in model.parameters():
            parameter.data.mul_(4.0)  # away from uniform attention, where all are alike
        with torch.no_grad():
            states[alpha] = model(input_ids=tokens).last_hidden_state
    softmax = states[None]
    assert (states[1.01] - softmax).norm() < 0.2 * (states[2.0] - softmax).norm()


def test_supports_are_shares_of_real_tokens(shipped):
    rows = torch.full((2, 24), PADDING)
    rows[0, :6], rows[1, :] = 3, torch.arange(24) + 2
    model = load(shipped, 1.5).eval()
    shares = support_shares(model, rows)
    assert len(shares) == 4 and all(0.0 < share <= 1.0 for share in shares)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".self.query" in name:
                parameter.zero_()
    assert support_shares(model, rows) == [1.0] * 4, "equal scores leave nothing out"


def test_a_contest_times_peers_and_keeps_reasons():
    swap = Swap("swap-of-test")
    model = transformers.AutoModelForCausalLM.from_config(
        configured("gpt2", SMALL, 32), attn_implementation="swap-of-test"
    )
    cell = Cell(32, 16, "gaussian", 1, 2, DType.FLOAT32)
    contest = Contest(model, swap, cell, torch.randint(2, 50, (1, 32)))
    rows = contest.run(("sdpa_math", "ours", "flash2"), rounds=2)
    assert rows["flash2"] == {"status": "unsupported", "reason": "It needs a GPU."}
    assert [len(rows[name]["step_ms"]) for name in ("sdpa_math", "ours")] == [2, 2]


def test_verdicts_on_targets():
    def row(length: int, ours: float, flash2: float, density: float | None = 0.2) -> dict:
        peers = {"ours": ours, "flash2": flash2}
        return {
            "length": length,
            "density": density,
            "peers": {name: {"status": "ok", "median_ms": ms} for name, ms in peers.items()},
        }

    rows = [
        row(1024, 101.0, 100.0),
        row(8192, 90.0, 100.0),
        row(16384, 105.0, 100.0),
        row(8192, 300.0, 100.0, None),
    ]
    assert [verdict for _, _, verdict in verdicts(rows)] == ["met", "missed", "not measured"]
    assert "1.050x" in verdicts(rows)[1][1]

"""Batches are what the tasks say, scores are what they are called."""

import math

import pytest
import torch

from examples.kit.ranking import auc, ndcg_at_10, ranks
from examples.kit.tokens import PAD, START
from examples.recall import TOY, draw_batch
from examples.retrieve import cut


def test_recall_asks_for_values_that_stand_after_their_keys():
    tokens, answers = draw_batch(TOY, 32, 128, torch.Generator().manual_seed(0))
    assert tokens.shape == (4, 32) and answers.shape == (4, 16)
    for row, wanted in zip(tokens.tolist(), answers.tolist(), strict=True):
        told = dict(zip(row[:16:2], row[1:16:2], strict=True))
        assert len(told) == 8
        assert [told[key] for key in row[16:]] == wanted
        assert min(wanted) >= TOY.keys > max(told)


def test_a_span_is_cut_out_of_a_post():
    rows = torch.full((64, 20), PAD)
    rows[:, :13] = torch.cat([torch.tensor([START]), torch.arange(100, 112)])
    spans, rest = cut(rows, 4, torch.Generator().manual_seed(0))
    assert spans.shape == (64, 5) and rest.shape == (64, 16)
    assert (spans[:, 0] == START).all() and (rest[:, 0] == START).all()
    assert (spans[:, 1:].diff() == 1).all()
    together = torch.cat([spans[:, 1:], rest[:, 1:9]], 1).sort().values
    assert torch.equal(together, torch.arange(100, 112).expand(64, -1))
    assert {100, 108} <= set(spans[:, 1].tolist()), "a span may begin at the first token and end at the last"


def test_ndcg_and_auc_of_known_rankings():
    items = torch.eye(12)
    assert ndcg_at_10(items, items) == 1.0
    queries = torch.eye(12).roll(1, 0) * 0.5 + torch.eye(12) * 0.4  # its own item comes second
    assert ranks(queries, items).tolist() == [1] * 12
    assert ndcg_at_10(queries, items) == pytest.approx(1 / math.log2(3), abs=1e-5)
    last = torch.ones(12, 12) - torch.eye(12)
    assert ndcg_at_10(last, items) == 0.0
    groups = torch.arange(12) // 6
    assert auc(items, items, groups) == 1.0
    assert auc(last, items, groups) == 0.0

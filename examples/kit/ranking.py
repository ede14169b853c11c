"""Embeddings of token rows, and how well a query's own row ranks among all."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from examples.kit.tokens import PAD

__all__ = ["auc", "embed", "ndcg_at_10", "pooled", "ranks"]


def embed(model: nn.Module, rows: Tensor, padding: int = PAD) -> Tensor:
    """Unit vectors (rows, width), float32, in the direction of `pooled`."""
    return normalize(pooled(model, rows, padding), dim=-1)


def pooled(model: nn.Module, rows: Tensor, padding: int = PAD) -> Tensor:
    """A model's last states, averaged over what is not padding: (rows, width), float32."""
    real = rows != padding
    states = model(input_ids=rows, attention_mask=real).last_hidden_state.float()
    weights = real[..., None].float()
    return (states * weights).sum(1) / weights.sum(1)


def ranks(queries: Tensor, items: Tensor) -> Tensor:
    """How many items are nearer to query i than item i is: int64 (queries,), 0 at best.

    Parameters
    ----------
    queries, items : Tensor (count, width)
        Unit vectors.
    """
    nearness = queries @ items.T
    return (nearness > nearness.diagonal()[:, None]).sum(-1)


def ndcg_at_10(queries: Tensor, items: Tensor) -> float:
    """nDCG@10 with one relevant item for each query: the mean of 1/log2(rank + 2), 0 from rank 10 on."""
    rank = ranks(queries, items)
    gains = torch.where(rank < 10, 1.0 / torch.log2(rank.double() + 2.0), 0.0)
    return round(float(gains.mean()), 5)


def auc(queries: Tensor, items: Tensor, groups: Tensor) -> float:
    """How often a query and its own item are nearer to each other than a query and one of the same group.

    Area under the ROC curve of cosines: pairs (i, i) against pairs (i, j), j the next item of i's group.

    Parameters
    ----------
    queries, items : Tensor (count, width)
        Unit vectors.
    groups : Tensor (count,)
        int64. A group of one item is left out.
    """
    order = groups.argsort(stable=True)
    following = order.roll(-1)
    alike = groups[order] == groups[following]
    own, other = order[alike], following[alike]
    right = (queries[own] * items[own]).sum(-1).sort().values
    wrong = (queries[own] * items[other]).sum(-1)
    below = torch.searchsorted(right, wrong).double()  # pairs (i, i) that are less near than a wrong one
    return round(float(1.0 - below.mean() / len(right)), 5)

"""What attention layers of a BERT see, and how much of it they use."""

import torch
from torch import Tensor, nn

import splashgen

__all__ = ["heads_of", "support_shares"]


@torch.no_grad()
def heads_of(model: nn.Module, rows: Tensor, padding: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Queries, keys and values of each layer, each (batch, heads, length, head_dim).

    Parameters
    ----------
    model : Module
        A BERT of Transformers.
    rows : Tensor (batch, length)
        int64 tokens.
    padding : int
        The token that is none.
    """
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
        for name, module in model.named_modules()
        if name.endswith((".self.query", ".self.key", ".self.value"))
    ]
    try:
        model(input_ids=rows, attention_mask=rows != padding)
    finally:
        for hook in hooks:
            hook.remove()
    heads: int = model.config.num_attention_heads  # type: ignore[union-attr, assignment]
    split = [out.unflatten(-1, (heads, -1)).transpose(1, 2) for out in seen.values()]
    return list(zip(split[0::3], split[1::3], split[2::3], strict=True))


@torch.no_grad()
def support_shares(model: nn.Module, rows: Tensor, padding: int, alpha: float) -> list[float]:
    """For each layer, the share of a text's tokens that a token attends to, averaged over heads and tokens.

    The parameters are those of `heads_of`, and α, with which attention is computed.
    """
    real = rows != padding
    counts = real.sum(-1)
    shares = []
    for query, key, value in heads_of(model, rows, padding):
        _, support = splashgen.attention(
            query, key, value, alpha=alpha, key_padding=real, return_support=True
        )
        share = support / counts[:, None, None]
        shares.append(round(float((share * real[:, None]).sum() / (real.sum() * query.shape[1])), 4))
    return shares

"""Sparse attention on the device that is here, forward and backward."""

import torch

import splashgen

gpu = torch.cuda.is_available()
device, dtype, length = ("cuda", torch.bfloat16, 4096) if gpu else ("cpu", torch.float32, 1024)
torch.manual_seed(0)
query, key, value = (
    torch.randn(1, 4, length, 64, device=device, dtype=dtype, requires_grad=True) for _ in range(3)
)

out = splashgen.attention(query, key, value, alpha=1.5, is_causal=True)
out.square().mean().backward()
print(f"attention on {device}: out {tuple(out.shape)}, |dquery| {query.grad.norm():.3g}")

scores = torch.randn(4, 1000, device=device, requires_grad=True)
probabilities = splashgen.entmax(scores, alpha=1.5)
print(
    f"entmax: {(probabilities > 0).sum(-1).tolist()} of 1000 probabilities are not zero, each row sums to 1"
)

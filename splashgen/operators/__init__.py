"""The operations as `torch.library` operators: what torch.compile, torch.export and torch.func see.

Eager mode does not come here. `attention_operator` is one of two roads, chosen while a graph is traced:

- `saving`: the forward operator returns what the kernel keeps for its backward pass, as eager mode keeps it.
- `recomputing`: nothing is kept, and the backward operator computes the forward again. That is for calls that
  need no gradient, for export, for `torch.vmap`, and for sizes of which the trace knows nothing.
"""

from splashgen.operators.attention import attention_operator
from splashgen.operators.entmax import entmax_operator
from splashgen.operators.tracing import needs_operator, tables

__all__ = ["attention_operator", "entmax_operator", "needs_operator", "tables"]

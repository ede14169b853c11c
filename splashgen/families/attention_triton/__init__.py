"""α-entmax attention in Triton: one dense pass, then all else over lists of support tiles."""

from splashgen.families import Family
from splashgen.families.attention_triton.defaults import default
from splashgen.families.attention_triton.space import NAME, SPACE
from splashgen.problem import DType, Operation

__all__ = ["FAMILY"]

FAMILY = Family(
    name=NAME,
    operation=Operation.ATTENTION,
    backends=("cuda", "hip"),
    template="attention_triton.py.j2",
    space=SPACE,
    default=default,
    for_loaders=lambda config: config.replace(bound_loads="pointers", loads="pointers"),
    supports=lambda problem: (
        problem.dtype is not DType.FLOAT64 and not (problem.varlen and problem.attn_mask)
    ),
)

"""The float64 truth that every kernel is judged by: plain torch, any device, written for clarity."""

from splashgen.reference.activation import entmax, tau
from splashgen.reference.blockwise import attention_gradients, attention_varlen_gradients
from splashgen.reference.dense import attention, attention_varlen

__all__ = [
    "attention",
    "attention_gradients",
    "attention_varlen",
    "attention_varlen_gradients",
    "entmax",
    "tau",
]

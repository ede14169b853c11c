"""Seeing sparsity in a model of Transformers: what each head attends to, and whether entmax would be faster.

Softmax models are looked at as they are: their own queries and keys, with entmax put in place of softmax.
"""

from splashgen.inspect.advice import Advice, will_it_help
from splashgen.inspect.maps import attention_maps, save_maps
from splashgen.inspect.sparsity import HeadSparsity, sparsity

__all__ = ["Advice", "HeadSparsity", "attention_maps", "save_maps", "sparsity", "will_it_help"]

"""The entry `splashgen` in Transformers' tables of attention and mask functions."""

from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from splashgen.integrations.transformers import older, outside
from splashgen.integrations.transformers.attention import attend
from splashgen.integrations.transformers.masks import attention_mask

__all__ = ["NAME", "register"]

NAME = "splashgen"
"""The value of `attn_implementation`."""


def register() -> None:
    """Make `attn_implementation="splashgen"` known; calling it again changes nothing."""
    AttentionInterface.register(NAME, attend)
    # Without a mask function of the same name Transformers hands down no mask, padding included.
    AttentionMaskInterface.register(NAME, attention_mask)
    older.register(NAME)
    outside.guard(NAME)

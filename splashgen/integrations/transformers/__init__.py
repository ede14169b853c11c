"""Entmax attention in the models of Hugging Face Transformers.

Importing this module registers `attn_implementation="splashgen"` with Transformers' attention and mask
interfaces; docs/models.md tells how α is chosen, annealed or learned, and what is refused.

Examples
--------
>>> import splashgen.integrations.transformers  # doctest: +SKIP
>>> model = AutoModel.from_config(config, attn_implementation="splashgen")  # doctest: +SKIP
"""

from splashgen.integrations.transformers.library import require

require()

from splashgen.integrations.transformers.alpha import fix_alpha, learn_alpha, set_alpha  # noqa: E402
from splashgen.integrations.transformers.attention import attend  # noqa: E402
from splashgen.integrations.transformers.callback import AlphaCallback  # noqa: E402
from splashgen.integrations.transformers.masks import attention_mask  # noqa: E402
from splashgen.integrations.transformers.register import NAME, register  # noqa: E402

__all__ = ["NAME", "AlphaCallback", "attend", "attention_mask", "fix_alpha", "learn_alpha", "set_alpha"]

register()

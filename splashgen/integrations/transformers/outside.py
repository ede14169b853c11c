"""Models that compute attention by themselves: refused by name, where they would go on with softmax."""

import functools
import inspect
import re
import sys
from typing import Any

from transformers import PreTrainedModel

from splashgen.integrations.transformers import older

__all__ = ["asks_the_interface", "guard"]

_OWN_ATTENTION = re.compile(r"^class \w*Attention\w*\((?:\w+\.)*Module\b", re.MULTILINE)
_INTERFACE = re.compile(r"\b(?:ALL_ATTENTION_FUNCTIONS|AttentionInterface)\b")


def guard(name: str) -> None:
    """Let every model refuse `attn_implementation=name` when it is built, if it would not heed it.

    Transformers takes any registered name for any model, and one with attention of its own computes that,
    softmax; some get no causal mask either, because they find no mask made for the name. Nothing that is
    registered for the name is asked by such a model, so the question is put where Transformers checks it.
    """
    check = getattr(PreTrainedModel, "get_correct_attn_implementation", None)
    if check is None or hasattr(check, "splashgen_guards"):  # another release may check elsewhere
        return

    @functools.wraps(check)
    def checked(self: PreTrainedModel, *args: Any, **kwargs: Any) -> Any:
        found = check(self, *args, **kwargs)
        if found == name and not asks_the_interface(type(self)):
            raise ValueError(
                f"attn_implementation is {name!r}, but {type(self).__name__} computes its attention itself "
                "and would go on with softmax: it does not use Transformers' attention interface in this "
                "release. "
                'Leave attn_implementation out, or give "eager"; of a model in several parts name those that '
                f'shall have it, as in attn_implementation={{"text_config": {name!r}}}.'
            )
        return found

    checked.splashgen_guards = name  # type: ignore[attr-defined]
    PreTrainedModel.get_correct_attn_implementation = checked  # type: ignore[method-assign]


def asks_the_interface(model: type[PreTrainedModel]) -> bool:
    """Whether the attention of a model's class comes from Transformers' tables, as far as its source tells.

    No flag says so: `_supports_attention_backend` is False for BART and Whisper, which do.
    """
    return older.has_table(model.__module__) or _source_asks(model.__module__)


@functools.cache
def _source_asks(module: str) -> bool:
    try:
        source = inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):  # typed in by hand: nothing tells against it
        return True
    return _OWN_ATTENTION.search(source) is None or _INTERFACE.search(source) is not None

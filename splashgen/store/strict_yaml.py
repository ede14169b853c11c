"""YAML as data only: aliases, tags, depth and size are checked before anything is built."""

import math
from collections.abc import Hashable
from typing import Any

import yaml

__all__ = ["MAX_BYTES", "parse"]

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 8
MAX_NODES = 400_000
MAX_SCALAR = 256

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """The safe loader, for which a repeated key, a key that is no text, and `<<` are errors."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise ValueError(f"line {key.start_mark.line + 1} has a key that is not text")
            if key.value in seen:
                raise ValueError(f"line {key.start_mark.line + 1} repeats the key {key.value!r}")
            seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def parse(data: bytes) -> Any:
    """The mappings, lists, text, numbers and bools that `data` spells in YAML.

    Raises
    ------
    ValueError
        If it is no UTF-8, no YAML, larger than `MAX_BYTES`, nested deeper than `MAX_DEPTH`, or uses anchors,
        aliases, tags, several documents, repeated keys, dates, or numbers that are not finite. The message is
        the second half of a sentence whose first names the file.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is {len(data)} bytes long, more than the {MAX_BYTES} allowed")
    try:
        text = data.decode()
        _look_through(text)
        loader = _Loader(text)
        try:
            value = loader.get_single_data()
        finally:
            loader.dispose()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except yaml.YAMLError as error:
        told = " ".join(str(error).split())[:300]
        if "maximum nesting depth" in told:  # newer scanners stop before they tell of the first level
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
        raise ValueError(f"it is not valid YAML: {told}") from None
    _check_plain(value)
    return value


def _look_through(text: str) -> None:
    """Refuse by events, before anything is built, what could grow or hang while it is built."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Base)):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if count > MAX_NODES:
            raise ValueError(f"it has more than {MAX_NODES} nodes")
        if getattr(event, "anchor", None) is not None:
            raise ValueError(f"line {line} uses an anchor or an alias, which are not allowed")
        if getattr(event, "tag", None) is not None:
            raise ValueError(f"line {line} uses a tag, which is not allowed")
        # A long number takes quadratic time to read; nothing in a file of configs is long.
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_SCALAR:
            raise ValueError(f"line {line} has a value longer than {MAX_SCALAR} characters")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"line {line} is nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_plain(value: Any) -> None:
    if isinstance(value, dict):
        for item in value.values():
            _check_plain(item)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"it has the number {value}, which is not finite")
    elif not isinstance(value, (str, int, float, bool)):
        raise ValueError(f"it has the value {value!r} of type {type(value).__name__}; quote it if it is text")

"""`TunedFile` → YAML text whose order and layout do not depend on who wrote it, so that diffs read well."""

from collections.abc import Mapping
from typing import Any

import yaml

from splashgen.store.entry import Entry, Status, TunedFile
from splashgen.store.plain import plain, plain_entry

__all__ = ["text_of"]

_HEADER = """\
# Tuned configs for {name}. Written by `splashgen tune` and its relatives; times are in milliseconds.
# The layout is documented in docs/architecture.md; `splashgen configs validate FILE` checks a file.
"""


_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def text_of(file: TunedFile) -> str:
    """The whole file, entries in the order of their keys."""
    top = plain(file)
    parts = [_HEADER.format(name=file.gpu.name), f"schema: {top['schema']}\n"]
    parts += [_dump({key: top[key]}) for key in ("gpu", "provenance")]
    if not file.entries:
        parts.append("entries: []\n")
        return "".join(parts)
    parts.append("entries:\n")
    for entry in sorted(file.entries, key=_order):
        parts.append(f"# {_summary(entry)}\n")
        parts.append("- " + _dump(plain_entry(entry)).replace("\n", "\n  ").removesuffix("  "))
    return "".join(parts)


def _dump(values: Mapping[str, Any]) -> str:
    """Block style outside, each innermost mapping on one line."""
    text: str = yaml.dump(
        dict(values),
        Dumper=_Dumper,
        default_flow_style=None,
        sort_keys=False,
        width=1 << 30,
        allow_unicode=False,
    )
    return text


def _order(entry: Entry) -> tuple[Any, ...]:
    problem = entry.problem
    fixed = (
        problem.operation,
        problem.dtype,
        problem.alpha,
        problem.head_dim,
        problem.value_dim,
        problem.seq_len,
    )
    return *fixed, str(problem), entry.regime.value


def _summary(entry: Entry) -> str:
    if entry.failure:
        return f"{entry.title}: failed `splashgen verify` on {entry.tuned_at}, not used"
    if entry.status is Status.PLANNED:
        return f"{entry.title}: predicted {entry.time_ms.median:.2g} ms, never run"
    text = f"{entry.title}: {entry.time_ms.median:.4g} ms"
    if entry.default_time_ms:
        gain = entry.default_time_ms.median / entry.time_ms.median
        text += f", {gain:.2f}x as fast as the default"
    return text

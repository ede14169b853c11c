"""`splashgen gpus`: the chips that splashgen knows, and the one that is here."""

import json
from typing import Annotated

import typer

__all__ = ["gpus"]


def gpus(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the known chips and how many tuned configs each has; mark the one that is here."""
    from splashgen.gpu import CPU, KNOWN_GPUS, detect
    from splashgen.store.tables import tables

    here = detect()
    listed = {**KNOWN_GPUS, CPU.slug: CPU, here.slug: here}
    counts = dict.fromkeys(listed, 0)
    for table in tables():
        if table.file and table.slug in counts:
            counts[table.slug] += sum(not entry.failure for entry in table.file.entries)
    facts = [
        {
            "slug": gpu.slug,
            "name": gpu.name,
            "architecture": gpu.arch,
            "multiprocessors": gpu.multiprocessors,
            "shared_memory": gpu.shared_memory,
            "memory": gpu.memory,
            "entries": counts[gpu.slug],
            "here": gpu.slug == here.slug,
        }
        for gpu in listed.values()
    ]
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for fact in facts:
        mark = "*" if fact["here"] else " "
        typer.echo(
            f"{mark} {fact['slug']:<10} {fact['architecture']:<8} {fact['entries']:>4} tuned  {fact['name']}"
        )

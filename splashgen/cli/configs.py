"""`splashgen configs`: look at, check, compare and merge files of tuned configs.

Exit codes: 0 all is well, 1 a file is bad or files differ, 2 the command cannot be carried out.
"""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from splashgen.store import Entry, TunedFile
    from splashgen.store.tables import Table

__all__ = ["app"]

app = typer.Typer(help="Look at, check, compare and merge files of tuned configs.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List every file that dispatch reads, in the order in which it does."""
    from splashgen.store.tables import tables

    facts: list[dict[str, Any]] = [
        {
            "file": str(table.path),
            "source": table.source.value,
            "gpu": table.file.gpu.name if table.file else None,
            "entries": len(table.file.entries) if table.file else 0,
            "regimes": _regimes(table.file),
            "failed": sum(bool(entry.failure) for entry in table.file.entries) if table.file else 0,
            "trouble": table.trouble or None,
        }
        for table in tables()
    ]
    lines = [
        f"{one['source']:<8} {one['entries']:>4}  {one['file']}  {one['trouble'] or one['gpu']}"
        + "".join(f", {count} {regime}" for regime, count in one["regimes"].items())
        + (f", {one['failed']} failed" if one["failed"] else "")
        for one in facts
    ]
    _show(facts, lines or ["No file of tuned configs was found."], as_json)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A file, or a device such as h100.")],
    as_json: JsonOption = False,
) -> None:
    """Show the entries of a file, or of all files of a device."""
    facts: list[dict[str, Any]] = [
        {
            "problem": str(entry.problem),
            "regime": entry.regime.value,
            "status": entry.status.value,
            "time_ms": entry.time_ms.median,
            "gain": entry.default_time_ms.median / entry.time_ms.median if entry.default_time_ms else None,
            "freshness": grade,
            "why": why or None,
            "config": entry.config.as_dict(),
        }
        for entry, grade, why in _graded(_opened(file))
    ]
    lines = [
        f"{one['problem']} ({one['regime']}): {one['time_ms']:.4g} ms"
        + (f", {one['gain']:.2f}x the default's speed" if one["gain"] else "")
        + f" ({one['status']}, {one['freshness']})"
        + (f"\n    not used: {one['why']}" if one["freshness"] == "failed" else "")
        + "\n    "
        + ", ".join(f"{name}={value}" for name, value in one["config"].items())
        for one in facts
    ]
    _show(facts, lines or ["There is no entry."], as_json)


@app.command()
def validate(
    files: Annotated[list[Path] | None, typer.Argument(help="All that dispatch reads, if left out.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check files against the schema and the kernels' spaces; exit with 1 if one is bad."""
    from splashgen.errors import ConfigFileError
    from splashgen.store import load
    from splashgen.store.tables import tables

    paths = files or [table.path for table in tables()]
    facts: list[dict[str, Any]] = []
    for path in paths:
        try:
            facts.append(
                {"file": str(path), "valid": True, "entries": len(load(path).entries), "trouble": None}
            )
        except ConfigFileError as error:
            facts.append({"file": str(path), "valid": False, "entries": 0, "trouble": str(error)})
    lines = [one["trouble"] or f"{one['file']}: {one['entries']} entries, all valid." for one in facts]
    _show(facts, lines or ["No file of tuned configs was found."], as_json)
    if not all(one["valid"] for one in facts):
        raise typer.Exit(1)


@app.command()
def diff(first: Path, second: Path, as_json: JsonOption = False) -> None:
    """Compare two files entry by entry; exit with 1 if they differ in a config, a status or a failure."""
    ours, theirs = ({entry.key: entry for entry in _load(path).entries} for path in (first, second))
    facts: list[dict[str, Any]] = []
    for key in sorted(ours.keys() | theirs.keys(), key=str):
        before, after = ours.get(key), theirs.get(key)
        if before and after and _answer(before) == _answer(after):
            continue
        change = "changed" if before and after else "removed" if before else "added"
        facts.append(
            {
                "problem": f"{key[0]} ({key[1].value})",
                "change": change,
                "before": str(before.config) if before else None,
                "after": str(after.config) if after else None,
                "before_ms": before.time_ms.median if before else None,
                "after_ms": after.time_ms.median if after else None,
            }
        )
    lines = [
        f"{one['change']:<8} {one['problem']}: {one['before_ms'] or '-'} ms → {one['after_ms'] or '-'} ms"
        for one in facts
    ]
    _show(facts, lines or ["No difference."], as_json)
    if facts:
        raise typer.Exit(1)


@app.command()
def merge(
    files: Annotated[
        list[Path], typer.Argument(help="Files of one chip; the last one's versions are the whole's.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", dir_okay=False, help="The file to write.")],
    as_json: JsonOption = False,
) -> None:
    """Merge files by measured time, where times compare; the later entry wins where they do not.

    An entry that failed `splashgen verify` gives way to any other that is not the same code.
    """
    from splashgen.errors import ConfigFileError
    from splashgen.store import write
    from splashgen.store.merging import merge as merged

    try:
        whole = merged([_load(path) for path in files])
        write(output, whole)
    except (ValueError, ConfigFileError) as error:
        raise _failure(error) from None
    facts = {"file": str(output), "entries": len(whole.entries)}
    _show(facts, [f"{output}: {len(whole.entries)} entries."], as_json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the files."""
    from splashgen.store.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


def _answer(entry: "Entry") -> tuple[Any, ...]:
    """What of an entry decides about calls."""
    return entry.config, entry.status, bool(entry.failure)


def _show(facts: Any, lines: list[str], as_json: bool) -> None:
    typer.echo(json.dumps(facts, indent=2) if as_json else "\n".join(lines))


def _failure(error: Exception) -> typer.Exit:
    typer.echo(f"splashgen configs: {error}", err=True)
    return typer.Exit(2)


def _load(path: Path) -> "TunedFile":
    from splashgen.errors import ConfigFileError
    from splashgen.store import load

    try:
        return load(path)
    except ConfigFileError as error:
        raise _failure(error) from None


def _opened(file: Path) -> list["Table"]:
    """The file itself, or the tables of the device that it names."""
    from splashgen.store import Source
    from splashgen.store.tables import Table, tables

    if file.suffix or file.exists():
        return [Table(file, Source.USER, _load(file))]
    found = [table for table in tables() if table.slug == str(file) and table.file]
    if not found:
        raise _failure(ValueError(f"There is no file {file}, and no device of that name has tuned configs."))
    return found


def _regimes(file: "TunedFile | None") -> dict[str, int]:
    """How many entries there are of each regime that has any."""
    counts = Counter(entry.regime.value for entry in file.entries) if file else Counter()
    return dict(sorted(counts.items()))


def _graded(found: list["Table"]) -> list[tuple["Entry", str, str]]:
    """Every entry with its grade and the sentence about it."""
    from splashgen.store.failures import standing

    graded = []
    for table in found:
        for entry in table.file.entries if table.file else ():
            grade, why = standing(entry, table, found)
            graded.append((entry, grade.value, why))
    return graded

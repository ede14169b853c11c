"""The layers of the tuner: imports point one way, as docs/architecture.md says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import splashgen.tune

TUNE = Path(splashgen.tune.__file__).parent
ROAD = "the road"
"""The modules beside the folders, but for `limits`."""
ORDER = ["limits", "processes", "measure", "database", "study", "search", "show", ROAD, "recordings"]
"""Each imports what stands before it, and nothing after it."""
STRANGERS = {("measure", "database")}
"""What runs candidates knows of no database, and no database of them."""


def layer(module: str) -> str:
    """Of `splashgen.tune.<module>`."""
    first = module.partition(".")[0]
    return first if first in ORDER else ROAD


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules of the tuner that a file names, wherever and for whatever it imports them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("splashgen.tune."):
                yield name.removeprefix("splashgen.tune.")


def arrows() -> set[tuple[str, str, str]]:
    """The file, its layer and the layer that it imports, of all imports between layers."""
    found = set()
    for path in TUNE.rglob("*.py"):
        name = path.relative_to(TUNE).as_posix()
        if name == "__init__.py":  # the public names, from wherever they are
            continue
        own = layer(name.removesuffix(".py").partition("/")[0])
        for other in map(layer, imported(ast.parse(path.read_text(encoding="utf-8")))):
            if other != own:
                found.add((name, own, other))
    return found


def test_every_folder_has_its_place() -> None:
    assert {path.parent.name for path in TUNE.glob("*/__init__.py")} == set(ORDER) - {"limits", ROAD}


def test_imports_point_one_way() -> None:
    found = arrows()
    assert {other for _, _, other in found} >= set(ORDER[:-2]), "a layer that nobody imports"
    wrong = {
        (name, other)
        for name, own, other in found
        if ORDER.index(other) > ORDER.index(own) or {(own, other), (other, own)} & STRANGERS
    }
    assert not wrong

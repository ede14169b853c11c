"""Rendered files on disk: private, and never trusted with what they say."""

import importlib.util
import inspect
import os
import py_compile
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from splashgen import kernel as kernel_module
from splashgen.alpha import AlphaClass
from splashgen.families import family_for
from splashgen.gpu import CPU
from splashgen.kernel import Kernel, build, source_folder
from splashgen.problem import DType, Operation, Problem
from splashgen.render import code_hash

PROBLEM = Problem(Operation.ENTMAX, AlphaClass.TWO, DType.FLOAT64, 64)
EVIL = "raise SystemExit('what lay on disk was run')\n"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_CACHE_DIR", str(tmp_path))


def built() -> Kernel:
    """The kernel as another process would build it."""
    kernel_module._build.cache_clear()
    for name in [name for name in sys.modules if name.startswith("splashgen_")]:
        del sys.modules[name]
    return build(PROBLEM, family_for(PROBLEM, CPU).default(PROBLEM, CPU))


def file_of(kernel: Kernel) -> Path:
    return Path(str(kernel.module.__file__))


def test_the_folder_is_its_owners_alone_even_if_it_was_open_before() -> None:
    source_folder().mkdir(mode=0o777)
    source_folder().chmod(0o777)
    path = file_of(built())
    assert path.parent == source_folder()
    assert stat.S_IMODE(source_folder().stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_says_something_else_is_replaced_and_not_run() -> None:
    path = file_of(built())
    right = path.read_text()
    path.write_text(EVIL)
    kernel = built()
    assert path.read_text() == right == kernel.rendered.source
    assert inspect.getsource(kernel.module.forward) in right


def test_bytecode_beside_the_file_is_not_run(tmp_path: Path) -> None:
    """Python believes bytecode whose recorded time and size are those of the source."""
    path = file_of(built())
    evil = tmp_path / "evil.py"
    evil.write_text(EVIL.ljust(path.stat().st_size))
    os.utime(evil, (path.stat().st_atime, path.stat().st_mtime))
    cached = Path(importlib.util.cache_from_source(str(path)))
    cached.parent.mkdir()
    py_compile.compile(str(evil), cfile=str(cached), dfile=str(path), doraise=True)
    assert built().module.forward


def test_links_are_replaced_and_what_they_point_at_is_left_alone(tmp_path: Path) -> None:
    path = file_of(built())
    target = tmp_path / "precious.txt"
    target.write_text("precious")
    path.unlink()
    path.symlink_to(target)
    assert file_of(built()) == path and not path.is_symlink()
    assert target.read_text() == "precious"


def test_a_folder_that_is_a_link_is_passed_over(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    source_folder().symlink_to(elsewhere)
    path = file_of(built())
    assert path.is_file() and elsewhere not in path.parents and source_folder() not in path.parents
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("usable", [True, False])
def test_nothing_is_left_in_the_folder_for_temporary_files(usable: bool, tmp_path: Path) -> None:
    """A file in place of the cache folder makes that unusable."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "cache").mkdir() if usable else (tmp_path / "cache").write_text("")
    script = "import os, torch, splashgen; splashgen.entmax(torch.ones(2, 3))"
    script += "; print(os.listdir(os.environ['TMPDIR']))"
    folders = {"TMPDIR": str(temporary), "SPLASHGEN_CACHE_DIR": str(tmp_path / "cache")}
    environment = {**os.environ, **folders, "SPLASHGEN_FALLBACK": "quiet"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert ("splashgen-" in done.stdout) is not usable
    assert not list(temporary.glob("splashgen-*"))


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")
def test_a_folder_of_somebody_else_is_passed_over() -> None:
    source_folder().mkdir()
    os.chown(source_folder(), 12345, 12345)
    path = file_of(built())
    assert source_folder() not in path.parents
    assert list(source_folder().iterdir()) == []


def test_comments_docstrings_and_layout_do_not_change_the_hash_of_code() -> None:
    code = 'def f(x):\n    """Doc."""\n    # why\n    return x + 1\n'
    same = 'def f(x):\n    """Other."""\n\n    return x + 1  # because\n'
    assert code_hash(code) == code_hash(same)
    assert code_hash(code) != code_hash(code.replace("+ 1", "+ 2"))
    assert code_hash(code) != code_hash(code.replace("    return", "  \n    if x: return"))

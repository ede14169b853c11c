"""Saving and loading: what goes in comes out, and nothing saved is lost."""

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from splashgen.errors import ConfigFileError
from splashgen.gpu import KNOWN_GPUS
from splashgen.store import Regime, RunnerUp, Status, Timing, load, lookup, save
from splashgen.store.schema import json_schema
from splashgen.store.tables import digest

H100 = KNOWN_GPUS["h100"]


def test_round_trip(entry, user: Path) -> None:
    full = entry(default_time_ms=Timing(0.6, 0.59, 0.61), regime=Regime.SPARSE)
    full = replace(full, runner_up=RunnerUp(full.config, Timing(0.55, 0.5, 0.6)))
    path = save(H100, [full])
    assert path == user / "h100.yaml"
    assert load(path).entries == (full,)
    assert load(path).gpu.name == H100.name


def test_same_key_is_replaced_and_others_stay(entry, problem, user: Path) -> None:
    save(H100, [entry(), entry(problem(seq_len=16384))])
    path = save(H100, [entry(problem(seq_len=4000), trials=99)])  # the bucket of 4096
    assert sorted((one.problem.seq_len, one.trials) for one in load(path).entries) == [
        (4000, 99),
        (16384, 60),
    ]


def test_planned_never_replaces_measured(entry, user: Path) -> None:
    save(H100, [entry()])
    path = save(H100, [entry(status=Status.PLANNED)])
    assert [one.status for one in load(path).entries] == [Status.MEASURED]


def test_planned_never_replaces_a_failure(entry, user: Path) -> None:
    save(H100, [entry(status=Status.PLANNED, failure="wrong: out is off.")])
    path = save(H100, [entry(status=Status.PLANNED)])
    assert [one.failure for one in load(path).entries] == ["wrong: out is off."]
    save(H100, [entry()])
    assert [one.failure for one in load(path).entries] == [""]


def test_layout_does_not_depend_on_the_order_of_saving(entry, problem, tmp_path: Path) -> None:
    entries = [entry(problem(seq_len=length)) for length in (1024, 4096, 16384)]
    for name, order in (("a", entries), ("b", entries[::-1])):
        for one in order:
            save(H100, [one], tmp_path / name)
    assert (tmp_path / "a/h100.yaml").read_text() == (tmp_path / "b/h100.yaml").read_text()


def test_older_entries_keep_the_versions_they_were_made_with(entry, problem, user, monkeypatch) -> None:
    from splashgen.store import current, saving

    before = replace(current(), torch="2.9.0", date="2026-01-01")
    monkeypatch.setattr(saving, "current", lambda: before)
    save(H100, [entry()])
    monkeypatch.undo()
    path = save(H100, [entry(problem(seq_len=1024))], user)
    by_length = {one.problem.seq_len: one for one in load(path).entries}
    assert by_length[4096].provenance == before
    assert by_length[1024].provenance is None


def test_corrupt_file_is_kept_aside_and_its_valid_entries_survive(entry, problem, user: Path) -> None:
    path = save(H100, [entry(), entry(problem(seq_len=16384))])
    spoiled = path.read_text().replace("status: measured", "status: guessed", 1)
    path.write_text(spoiled)
    with pytest.warns(UserWarning, match="kept as h100.yaml.corrupt-1"):
        save(H100, [entry(problem(seq_len=1024))])
    assert (user / "h100.yaml.corrupt-1").read_text() == spoiled
    assert sorted(one.problem.seq_len for one in load(path).entries) == [1024, 16384]
    path.write_bytes(b"\xff\x00")
    with pytest.warns(UserWarning, match="nothing in it was usable"):
        save(H100, [entry()])
    assert (user / "h100.yaml.corrupt-2").read_bytes() == b"\xff\x00"


def test_another_chip_of_the_same_slug_gets_a_file_of_its_own(entry, user: Path) -> None:
    save(H100, [entry()])
    pcie = replace(H100, name="NVIDIA H100 PCIe", multiprocessors=114)
    assert save(pcie, [entry()]).name == "h100-2.yaml"
    assert save(pcie, [entry()]).name == "h100-2.yaml"
    assert load(user / "h100.yaml").gpu.multiprocessors == 132


def test_a_winner_goes_to_the_file_of_its_chip_whatever_its_number(entry, problem, user: Path) -> None:
    """As where a home folder was shared with another machine, whose file is gone."""
    small = replace(H100, multiprocessors=66)
    save(H100, [entry()])
    save(small, [entry()])
    (user / "h100.yaml").unlink()
    assert save(small, [entry(trials=99)]).name == "h100-2.yaml"
    assert [path.name for path in user.glob("*.yaml")] == ["h100-2.yaml"]
    assert [one.trials for one in load(user / "h100-2.yaml").entries] == [99]
    assert save(H100, [entry()]).name == "h100.yaml", "the first name that is free"


def test_of_two_files_of_a_chip_the_one_that_is_read_first_is_written(entry, user: Path) -> None:
    path = save(H100, [entry()])
    (user / "h100-old.yaml").write_bytes(path.read_bytes())
    assert save(H100, [entry(trials=99)]).name == "h100-old.yaml"
    match = lookup(entry().problem, H100)
    assert match.entry is not None
    assert match.entry.trials == 99


def test_a_spoiled_file_of_another_chip_is_left_alone(entry, problem, user: Path) -> None:
    small = replace(H100, multiprocessors=66)
    path = save(small, [entry(), entry(problem(seq_len=16384))])
    spoiled = path.read_text().replace("status: measured", "status: guessed", 1)
    path.write_text(spoiled)
    assert save(H100, [entry()]).name == "h100-2.yaml"
    assert path.read_text() == spoiled
    path.write_text(spoiled.replace("status: measured", "status: guessed"))
    assert save(H100, [entry()]).name == "h100-2.yaml", "no entry is valid, but the chip is known"
    assert sorted(one.name for one in user.glob("h100*")) == ["h100-2.yaml", "h100.yaml"]


def test_chips_of_one_name_that_differ_in_size_have_files_of_their_own(entry, problem, user: Path) -> None:
    """As CPUs with 2 and with 96 cores do where they share a home folder."""
    small = replace(H100, multiprocessors=66)
    save(H100, [entry()])
    assert save(small, [entry(problem(seq_len=1024))]).name == "h100-2.yaml"
    lengths = {path.name: [one.problem.seq_len for one in load(path).entries] for path in user.glob("*.yaml")}
    assert lengths == {"h100.yaml": [4096], "h100-2.yaml": [1024]}
    assert load(user / "h100.yaml").gpu.multiprocessors == 132


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_the_umask_decides_who_may_read_a_file(umask: int, mode: int, entry, user: Path) -> None:
    before = os.umask(umask)
    try:
        path = save(H100, [entry()])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("slug", ["../evil", "a/b", "", "h100.yaml", "H100"])
def test_slug_that_is_no_file_name_is_refused(slug: str, entry, user: Path) -> None:
    with pytest.raises(ConfigFileError, match="cannot name a file"):
        save(replace(H100, slug=slug), [entry()])


def test_what_could_not_be_read_again_is_not_written(entry, user: Path) -> None:
    path = save(H100, [entry()])
    before = path.read_bytes()
    with pytest.raises(ConfigFileError, match="not finite"):
        save(H100, [entry(time_ms=Timing(float("nan"), 1.0, 1.0))])
    assert path.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write everywhere")
def test_unwritable_folder(entry, user: Path) -> None:
    user.mkdir()
    user.chmod(0o500)
    with pytest.raises(ConfigFileError, match="SPLASHGEN_CONFIG_DIR"):
        save(H100, [entry()])


def test_folder_that_is_a_file(entry, user: Path) -> None:
    user.write_text("")
    with pytest.raises(ConfigFileError, match="SPLASHGEN_CONFIG_DIR"):
        save(H100, [entry()])


def test_links_and_pipes_are_refused(entry, user: Path) -> None:
    path = save(H100, [entry()])
    link = user / "link.yaml"
    link.symlink_to(path)
    with pytest.raises(ConfigFileError, match="symbolic link"):
        load(link)
    pipe = user / "pipe.yaml"
    os.mkfifo(pipe)
    with pytest.raises(ConfigFileError, match="not a regular file"):
        load(pipe)


@pytest.mark.timeout(20)
def test_the_digest_opens_neither_pipes_nor_links(entry, user: Path, tmp_path: Path) -> None:
    save(H100, [entry()])
    os.mkfifo(user / "a.yaml")
    target = tmp_path / "target.yaml"
    target.write_text("one")
    (user / "b.yaml").symlink_to(target)
    before = digest()
    target.write_text("other")
    assert digest() == before, "what is refused decides nothing"
    (user / "h100.yaml").write_text("")
    assert digest() != before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("trials: 60", "trials: sixty", "entry 1, field trials"),
        ("trials: 60", "trials: 60\n  surprise: 1", "entry 1, field surprise"),
        ("alpha: '1.5'", "alpha: '1.7'", "entry 1, field problem.alpha"),
        ("causal: true", "causal: yes please", "entry 1, field problem.causal"),
        ("head_dim: 64, value_dim: 64, ", "", "head_dim and value_dim"),
        ("median: 0.5", "median: .nan", "not finite"),
        ("low: 0.49", "low: 0.9", "must be in this order"),
        ("family: attention_triton", "family: os.system", "entry 1, field family"),
        ("family: attention_triton", "family: attention_fast", "no kernel family"),
        ("family: attention_triton", "family: entmax_triton", "computes entmax"),
        ("block_m: 64", "block_m: 63", "block_m is 63"),
        ("block_m: 64", "block_m: '{{ 64 }}'", "block_m is"),
        ("trials: 60", 'trials: 60\n  failure: "\\e[2J"', "entry 1, field failure"),
        ("schema: 1", "schema: 2", "field schema"),
        ("tuned_at: '2026-11-23'", "tuned_at: 2026-11-23", "quote it"),
    ],
)
def test_message_names_entry_and_field(old: str, new: str, message: str, entry, user: Path) -> None:
    path = save(H100, [entry()])
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigFileError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_two_entries_of_one_key_are_refused(entry, user: Path) -> None:
    path = save(H100, [entry()])
    text = path.read_text()
    path.write_text(text + text[text.index("- problem") :])
    with pytest.raises(ConfigFileError, match="entry 2: there is already"):
        load(path)


def test_published_schema_is_up_to_date() -> None:
    published = Path(__file__).parents[2] / "docs" / "tuned_configs.schema.json"
    assert json.loads(published.read_text()) == json_schema(), (
        "run `splashgen configs schema > docs/tuned_configs.schema.json`"
    )

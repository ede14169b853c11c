"""Merging: times decide where they compare, and nowhere else."""

import itertools
import re
from dataclasses import replace

import pytest

from splashgen.gpu import KNOWN_GPUS
from splashgen.store import GpuFacts, Provenance, Status, Timing, TunedFile
from splashgen.store.merging import merge

H100 = GpuFacts.of(KNOWN_GPUS["h100"])
HERE = Provenance("0.1.0", "2.13.0", "3.6.0", "580.1", "2026-11-23", "ab")


def file_of(*entries, provenance=HERE, gpu=H100) -> TunedFile:
    return TunedFile(gpu, provenance, tuple(entries))


def test_faster_wins_under_the_same_versions(entry) -> None:
    fast, slow = entry(time_ms=Timing(0.4, 0.4, 0.4)), entry()
    later = replace(HERE, torch="2.13.1", date="2026-12-01")
    for files in ([file_of(fast), file_of(slow, provenance=later)], [file_of(slow), file_of(fast)]):
        assert [one.time_ms.median for one in merge(files).entries] == [0.4]


def test_later_wins_under_other_versions(entry) -> None:
    fast = entry(time_ms=Timing(0.4, 0.4, 0.4), tuned_at="2026-01-01")
    old = replace(HERE, triton="3.2.0")
    assert [
        one.time_ms.median for one in merge([file_of(fast, provenance=old), file_of(entry())]).entries
    ] == [0.5]
    assert [
        one.time_ms.median for one in merge([file_of(entry()), file_of(fast, provenance=old)]).entries
    ] == [0.5]


def test_measured_beats_planned_however_slow(entry) -> None:
    planned = entry(status=Status.PLANNED, time_ms=Timing(0.1, 0.1, 0.1))
    assert [one.status for one in merge([file_of(entry()), file_of(planned)]).entries] == [Status.MEASURED]


def test_what_failed_gives_way_to_another_config_and_to_what_passed_later(entry, problem) -> None:
    failed = entry(failure="wrong: out is off.", tuned_at="2026-11-25")
    passed, later = entry(), entry(tuned_at="2026-11-26")
    other = entry(config=failed.config.replace(block_m=128), code_hash="1" * 16, tuned_at="2026-11-01")
    cases = [([failed, passed], failed), ([failed, later], later), ([failed, passed, other], other)]
    for entries, best in cases:
        for order in itertools.permutations(entries):
            assert merge([file_of(one) for one in order]).entries == (best,)


def test_all_keys_survive_with_their_versions(entry, problem) -> None:
    old = replace(HERE, torch="2.10.0")
    whole = merge([file_of(entry(problem(seq_len=1024)), provenance=old), file_of(entry())])
    assert {one.problem.seq_len: one.provenance for one in whole.entries} == {1024: old, 4096: None}


def test_chips_do_not_mix(entry) -> None:
    with pytest.raises(ValueError, match="one chip"):
        merge([file_of(entry()), file_of(entry(), gpu=GpuFacts.of(KNOWN_GPUS["a100"]))])
    with pytest.raises(ValueError, match="these are of none"):
        merge([])


def test_chips_of_one_name_that_differ_in_size_do_not_mix(entry) -> None:
    name = re.escape(H100.name)
    with pytest.raises(ValueError, match=rf"{name} \(132 multi.*\), {name} \(66 multi.*\); merge those of"):
        merge([file_of(entry()), file_of(entry(), gpu=replace(H100, multiprocessors=66))])

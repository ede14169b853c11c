"""The numbers that recorded cells stand for do not change."""

import runpy
from pathlib import Path

import pytest

from splashgen.bench.cells import GRID

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "workloads.py"


def test_every_generator_draws_what_it_drew() -> None:
    module = runpy.run_path(str(FILE))
    assert set(module["CHECKSUMS"]) == {cell.workload for cell in GRID}
    for workload, known in module["CHECKSUMS"].items():
        assert module["checksum"](workload) == known, workload


def test_the_script_lists_all_cells(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(FILE), run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) == len(GRID)

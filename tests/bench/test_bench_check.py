"""Targets against recorded samples: met, missed, not measured."""

import json
import os
import stat
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from splashgen.bench.cells import GRID, Cell
from splashgen.bench.check import Line, check
from splashgen.bench.collected import Collected
from splashgen.bench.results import BenchError, Results
from splashgen.bench.rowwise import LENGTHS
from splashgen.bench.table import markdown
from splashgen.bench.targets import Targets, load_targets
from splashgen.cli.bench import bench

ROOT = Path(__file__).resolve().parents[2]
CELL = next(cell for cell in GRID if cell.workload == "clustered2" and cell.seq_len == 32768)
SPEED = {"name": "speed", "kind": "speed", "peer": "flash2", "phase": "both"}
HERE = {"seq_len": [CELL.seq_len], "head_dim": [CELL.head_dim], "workload": [CELL.workload]}


def _recorded(folder: Path, forward: list[float], density: float = 0.19, date: str = "2026-11-23") -> Results:
    """Ours takes 2 + 1 ms in every round but one, FlashAttention-2 `forward` + 3 ms."""
    results = Results(folder / f"h100-{date}.json")
    session = results.begin({"gpu": "h100", "date": date, "matrix_product_ms": [1.5, 1.4, 9.0]})
    ours = {"status": "ok", "forward_ms": [2.0, 2.0, 90.0], "backward_ms": [1.0, 1.0, 1.0]}
    ours |= {"peak_bytes": 130, "errors": {"out": [1e-3, 2e-3], "dq": [3e-3, 4e-3]}}
    flash = {"status": "ok", "forward_ms": forward, "backward_ms": [3.0] * len(forward), "peak_bytes": 100}
    results.add_run(CELL, density, session, {"ours": ours, "flash2": flash})
    return results


def _check(folder: Path, *targets: dict) -> list[Line]:
    return check(Targets(gpu="h100", targets=targets), Collected.of_folder(folder, "h100"))


def test_ratios_are_medians_of_raw_samples(tmp_path: Path) -> None:
    _recorded(tmp_path, [6.0, 7.0, 6.0])
    band = {"density": 0.2, "at_least": 3.0}
    (hit,) = _check(tmp_path, SPEED | HERE | {"bands": [band]})
    assert hit.met and hit.value == 3.0
    (miss,) = _check(tmp_path, SPEED | HERE | {"bands": [{"density": 0.2, "at_least": 3.01}]})
    assert not miss.met and "MISSED" in str(miss) and "≥ 3.01" in str(miss)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_the_umask_decides_who_may_read_results(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = _recorded(tmp_path, [6.0]).path
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_the_first_band_that_fits_counts_and_above_the_last_nothing_is_asked(tmp_path: Path) -> None:
    _recorded(tmp_path, [6.0], density=0.4)
    bands = [{"density": 0.2, "at_least": 9.0}, {"density": 0.5, "at_least": 2.0}]
    assert [line.met for line in _check(tmp_path, SPEED | HERE | {"bands": bands})] == [True]
    assert _check(tmp_path, SPEED | HERE | {"bands": bands[:1]}) == []


def test_the_newest_samples_count(tmp_path: Path) -> None:
    _recorded(tmp_path, [9.0], date="2026-11-22")
    _recorded(tmp_path, [3.0], date="2026-11-23")
    (line,) = _check(tmp_path, SPEED | HERE | {"bands": [{"at_least": 1.0}]})
    assert line.value == 2.0


def test_what_was_not_measured_is_missed(tmp_path: Path) -> None:
    _recorded(tmp_path, [6.0])
    other = SPEED | {"peer": "cudnn", "bands": [{"at_least": 0.1}]}
    lines = _check(tmp_path, other)
    assert len(lines) == sum(cell.causal for cell in GRID)
    assert all(not line.met and line.reason == "not measured" for line in lines)
    calls = {"name": "c", "kind": "first_call", "phase": "cold", "bands": [{"at_most": 10}]}
    rows = {"name": "e", "kind": "copy_share", "bands": [{"at_least": 0.8}]}
    assert [line.met for line in _check(tmp_path, calls, rows)] == [False] * (1 + len(LENGTHS))


def test_a_peer_that_failed_is_missed_with_its_reason(tmp_path: Path) -> None:
    results = _recorded(tmp_path, [6.0])
    session = results.begin({"gpu": "h100", "date": "2026-11-24"})
    results.add_run(CELL, 0.19, session, {"flash2": {"status": "failed", "reason": "out of memory"}})
    (line,) = _check(tmp_path, SPEED | HERE | {"bands": [{"at_least": 1.0}]})
    assert not line.met and "flash2 failed: out of memory" in str(line)


def test_memory_error_and_floor(tmp_path: Path) -> None:
    _recorded(tmp_path, [6.0])
    memory = HERE | {"name": "m", "kind": "memory", "peer": "flash2", "bands": [{"at_most": 1.35}]}
    error = HERE | {"name": "e", "kind": "error", "bands": [{"at_most": 0.7}]}
    floor = HERE | {"name": "f", "kind": "floor", "bands": [{"at_most": 0.8}]}
    memory_line, error_line, floor_line = _check(tmp_path, memory, error, floor)
    assert memory_line.value == 1.3 and memory_line.met
    assert error_line.value == 0.75 and not error_line.met
    # 1.1e12 flop of QKᵀ at 2·8192³ flop in 1.5 ms, and four products at 19 % of the tiles; ours takes 2 ms.
    assert floor_line.value == pytest.approx(2.0 / (32768**2 * 64 * 16 / (2 * 8192**3 / 1.5) * 1.76))


def test_entmax_and_first_calls(tmp_path: Path) -> None:
    results = _recorded(tmp_path, [6.0])
    ok = {"status": "ok"}
    peers = {"ours": ok | {"ms": [1.0]}, "copy": ok | {"ms": [0.9]}, "entmax15": ok | {"ms": [5.0]}}
    results.data["entmax"]["1024"] = {"rows": 1, "session": 0, "peers": peers}
    results.data["first_calls"].append({"peer": "ours", "cache": "cold", "session": 0, "seconds": 11.0})
    results.save()
    share = {"name": "s", "kind": "copy_share", "seq_len": [1024], "bands": [{"at_least": 0.8}]}
    speed = share | {"kind": "entmax_speed", "peer": "entmax15"}
    call = {"name": "c", "kind": "first_call", "phase": "cold", "bands": [{"at_most": 10}]}
    lines = _check(tmp_path, share, speed, call)
    assert [(line.value, line.met) for line in lines] == [(0.9, True), (5.0, True), (11.0, False)]


def test_results_of_another_chip_do_not_count(tmp_path: Path) -> None:
    _recorded(tmp_path, [6.0])
    target = Targets(gpu="h200", targets=(SPEED | HERE | {"bands": [{"at_least": 0.1}]},))
    (line,) = check(target, Collected.of_folder(tmp_path, "h200"))
    assert line.reason == "not measured"


def test_the_command_exits_1_if_a_target_is_missed(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(bench)
    _recorded(tmp_path, [6.0])
    for asked, code in ((3.0, 0), (3.1, 1)):
        file = tmp_path / "targets.yaml"
        target = SPEED | HERE | {"bands": [{"at_least": asked}]}
        file.write_text(json.dumps({"gpu": "h100", "targets": [target]}))
        ran = CliRunner().invoke(app, ["--check", "--results", str(tmp_path), "--targets", str(file)])
        assert ran.exit_code == code, ran.output
        assert f"{1 - code} of 1 met" in ran.output
    elsewhere = ["--check", "--gpu", "h200", "--results", str(tmp_path), "--targets", str(file)]
    assert "1 are not measured" in CliRunner().invoke(app, elsewhere).output
    unknown = CliRunner().invoke(app, [*elsewhere[:2], "foo", *elsewhere[3:]])
    assert unknown.exit_code == 2 and "--gpu is 'foo', but must be auto or one of a100" in unknown.stderr
    missing = CliRunner().invoke(app, ["--check", "--results", str(tmp_path / "none")])
    assert missing.exit_code == 2


def test_table_plots_and_check_are_done_together_and_the_check_decides(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    app = typer.Typer()
    app.command()(bench)
    _recorded_pair(tmp_path)
    file = tmp_path / "targets.yaml"
    target = SPEED | HERE | {"bands": [{"at_least": 99.0}]}
    file.write_text(json.dumps({"gpu": "h100", "targets": [target]}))
    read = ["--check", "--plot", "--table", "--results", str(tmp_path), "--targets", str(file)]
    ran = CliRunner().invoke(app, read)
    assert ran.exit_code == 1, ran.output
    places = [ran.output.index(words) for words in ("Measured on h100", "Drew ", "0 of 1 met")]
    assert places == sorted(places)
    assert (tmp_path / "h100-density.png").exists()


@pytest.mark.parametrize(
    "options", [["--plot", "--prepare"], ["--table", "--entmax"], ["--prepare", "--overhead"]]
)
def test_reading_compiling_and_measuring_are_not_mixed(tmp_path: Path, options: list[str]) -> None:
    app = typer.Typer()
    app.command()(bench)
    ran = CliRunner().invoke(app, [*options, "--results", str(tmp_path), "--workload", "none"])
    assert ran.exit_code == 2
    assert "options of one of these kinds" in ran.stderr


def test_the_command_takes_head_dims_that_there_are_kernels_for(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(bench)
    new = ["--output", str(tmp_path / "new.json"), "--peer", "nobody"]
    ran = CliRunner().invoke(app, ["--overhead", "--head-dim", "512", *new])
    assert ran.exit_code == 2
    assert "--head-dim" in ran.stderr


def test_the_projects_own_targets_are_valid_and_about_cells_that_exist() -> None:
    targets = load_targets(ROOT / "benchmarks" / "targets.yaml")
    lines = check(targets, Collected([], targets.gpu))
    assert {line.target for line in lines} == {target.name for target in targets.targets}


@pytest.mark.parametrize(
    "change",
    [{"peer": None}, {"kind": "fast"}, {"bands": [{"density": 0.5}]}, {"lenght": [1]}],
)
def test_bad_targets_are_refused(tmp_path: Path, change: dict) -> None:
    target = SPEED | {"bands": [{"at_least": 1.0}]} | change
    file = tmp_path / "targets.yaml"
    file.write_text(json.dumps({"gpu": "h100", "targets": [target]}))
    with pytest.raises(BenchError, match=r"targets\.yaml"):
        load_targets(file)


def test_the_table_shows_ratios_of_forward_and_of_both(tmp_path: Path) -> None:
    _recorded(tmp_path, [6.0])
    lines = markdown(Collected.of_folder(tmp_path, "h100"))
    assert lines[0].endswith("| FlashAttention-2 |")
    assert lines[2] == "| 32768 | 64 | clustered2 | 0.19 | 2.00 | 1.00 | 3.00 / 3.00 |"


def test_plots_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from splashgen.bench.plots import draw_plots

    _recorded_pair(tmp_path)
    paths = draw_plots(Collected.of_folder(tmp_path, "h100"), tmp_path, "h100")
    assert [path.name for path in paths] == ["h100-density.png", "h100-accuracy.png", "h100-length.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


def _recorded_pair(folder: Path) -> None:
    results = Results(folder / "h100.json")
    session = results.begin({"gpu": "h100", "date": "2026-11-23"})
    row = {"status": "ok", "forward_ms": [2.0], "backward_ms": [1.0], "errors": {"out": [1e-3, 2e-3]}}
    for n in (4096, 8192):
        cell = Cell(n, 64, "gaussian", 1, 16)
        results.add_run(cell, 0.9, session, {"ours": row, "flash2": row | {"errors": {"out": [1e-3, None]}}})

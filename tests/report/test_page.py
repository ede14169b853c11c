import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from report_fakes import DEFAULT, H100, bad, good, storage

from splashgen.config import Config
from splashgen.report import ReportError, as_json, collect, draw_pngs, render_page
from splashgen.tune.measure.outcome import Status
from splashgen.tune.measure.standing import Standing

EVIL = "<script>alert('$\\foo$ & co')</script>"


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLASHGEN_CONFIG_DIR", str(tmp_path / "config"))


def _hostile() -> optuna.storages.BaseStorage:
    return storage(
        ({EVIL: EVIL}, good(1.0)),
        ({"tile": 1024}, bad(Status.FAILED, EVIL)),
        ({"tile": 2048}, good(3.0)),
        name=EVIL,
        gpu=replace(H100, slug=EVIL, name=EVIL, arch=EVIL),
        finished={"reason": EVIL, "seconds": 754.2},
    )


def test_what_a_study_says_stays_text() -> None:
    page = render_page(collect(_hostile()))
    assert "alert(" in page, "it is shown"
    assert "<script" not in page and "&lt;script&gt;alert(" in page
    contents = collect(storage(*[({EVIL: "ab"[place % 2]}, good(1.0 + place)) for place in range(24)]))
    page = render_page(contents)
    assert page.count("&lt;script&gt;alert(") > 1, "once in the winner, and in the picture of importance"
    assert "<script" not in page


def test_the_page_says_how_long_a_problem_took() -> None:
    page, unknown = render_page(collect(_hostile())), render_page(collect(storage(({}, good(1.0)))))
    assert "to the stored winner" in page and "12.6 min" in page
    assert '<td class="n">–</td></tr>' in unknown and '<td class="n">–</td></tr>' not in page


def test_who_met_in_the_shoot_out_is_told() -> None:
    config = Config.of("entmax_triton", {**DEFAULT, EVIL: EVIL})
    met = Standing(config, replace(good(1.25), ragged=(0.75, 0.75)))
    failed = Standing(config.replace(tile=1024), bad(Status.WRONG, f"dq is off. {EVIL}"))
    finished = {"reason": "trials", "finalists": [one.as_dict() for one in (met, failed)]}
    page = render_page(collect(storage(({}, good(1.0)), finished=finished)))
    table = page.partition("The shoot-out")[2].partition("</table>")[0]
    assert '<td class="n">1.25</td>' in table and '<td class="n">0.75</td>' in table
    assert "tile=1024" in table and "dq is off." in table and "&lt;script&gt;alert(" in table
    assert "<script" not in page
    assert "The shoot-out" not in render_page(collect(storage(({}, good(1.0))))), "before there is one"


def test_the_page_loads_nothing_and_says_so_to_the_browser() -> None:
    page = render_page(collect(_hostile()))
    assert "default-src 'none'" in page
    assert not re.findall(r"""(?:src|href)=["'](?!#)""", page)
    assert not re.findall(r"@import|url\((?!#)", page)


def test_ids_are_unique_and_what_refers_to_them_finds_them() -> None:
    page = render_page(collect(storage(({}, good(1.0)), ({"tile": 1024}, good(2.0)))))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= set(ids)


def test_a_report_without_studies_shows_the_coverage() -> None:
    page = render_page(collect(None))
    assert "There are no studies yet" in page and "mi300x" in page


def test_a_chip_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ReportError, match="--gpu is 'h1000'"):
        collect(None, "h1000")


def test_rejected_candidates_stand_with_reason_and_error() -> None:
    page = render_page(
        collect(storage(({}, good(1.0)), ({"tile": 1024}, bad(Status.WRONG, "It is off.", 7.25))))
    )
    assert "It is off." in page and "7.25" in page and "tile=1024" in page


def test_a_search_without_a_correct_candidate_is_shown() -> None:
    trials = ({}, bad(Status.HUNG, "It hung.")), ({"tile": 1024}, bad(Status.WRONG, error=math.nan))
    page = render_page(collect(storage(*trials)))
    assert "no winner yet" in page and "It hung." in page and "∞" in page


def test_pngs_of_every_problem_and_of_the_coverage(tmp_path: Path) -> None:
    paths = draw_pngs(collect(_hostile()), tmp_path / "new" / "folder")
    assert {path.name for path in paths} >= {"coverage.png", "coverage-cpu.png"} and len(paths) == 3
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert all(path.parent == tmp_path / "new" / "folder" for path in paths)


def test_without_matplotlib_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    contents = collect(storage(({}, good(1.0))))
    with pytest.raises(ReportError, match=r"splashgen-kernels\[plots\]"):
        render_page(contents)
    assert as_json(contents)["problems"][0]["candidates"][0]["median_ms"] == 1.0

"""What a tuning did, to look at: studies and tables in, one page with pictures, PNGs or JSON out."""

from splashgen.report.contents import Contents, collect
from splashgen.report.histories import Candidate, History, read_histories
from splashgen.report.page import render_page
from splashgen.report.pictures import draw_pngs
from splashgen.report.plain import as_json
from splashgen.report.theme import ReportError

__all__ = [
    "Candidate",
    "Contents",
    "History",
    "ReportError",
    "as_json",
    "collect",
    "draw_pngs",
    "read_histories",
    "render_page",
]

"""`render_page`: the report as one HTML file that loads nothing from anywhere."""

import math
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from splashgen.config import Config
from splashgen.report.contents import Contents, speed_up
from splashgen.report.coverage import MEANINGS
from splashgen.report.findings import conditions, losses
from splashgen.report.histories import History
from splashgen.report.pictures import draw_panels

__all__ = ["render_page"]

_FOLDER = Path(__file__).parent
_LISTED = 100
"""Rejected candidates that are listed one by one for each reason; JSON has them all."""


def render_page(contents: Contents) -> str:
    """The page, pictures and style included.

    Everything that comes out of a study or a file of configs is escaped: it stays text.

    Raises
    ------
    ReportError
        If matplotlib is not installed.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "times": _times, "seconds": _seconds}
    sections = [_section(history, number) for number, history in enumerate(contents.histories, 1)]
    return environment.get_template("page.html.j2").render(
        contents=contents,
        sections=sections,
        meanings=MEANINGS,
        listed=_LISTED,
        # Our own file, not what a study says.
        style=Markup((_FOLDER / "style.css").read_text(encoding="utf-8")),
    )


def _section(history: History, number: int) -> dict[str, Any]:
    return {
        "id": f"problem-{number}",
        "history": history,
        "panels": draw_panels(history, f"p{number}"),
        "speed_up": speed_up(history),
        "conditions": conditions(history),
        "winner": _values(history.winner, history.default),
        "finalists": [
            {
                "one": one,
                "changes": _changes(one.config, history.default),
                "won": one.config == history.winner,
            }
            for one in history.finalists
        ],
        "losses": [
            {
                "loss": loss,
                "candidates": [
                    {"one": one, "changes": _changes(one.config, history.default)}
                    for one in loss.candidates[:_LISTED]
                ],
            }
            for loss in losses(history)
        ],
    }


def _values(config: Config | None, default: Config) -> list[tuple[str, object, object]]:
    """(parameter, value, the default's value) of each parameter."""
    usual = default.as_dict()
    return [(name, value, usual.get(name)) for name, value in config.items] if config else []


def _changes(config: Config, default: Config) -> str:
    """What a config has that the default has not."""
    changed = [f"{name}={value}" for name, value, usual in _values(config, default) if value != usual]
    return ", ".join(changed) or "the default"


def _number(value: float | None) -> str:
    return "–" if value is None else "∞" if value == math.inf else f"{value:.4g}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f} s" if value < 100 else f"{value / 60:.1f} min"

"""How pictures look: one palette for PNGs, and for SVGs that follow the page's light or dark colours."""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markupsafe import Markup

from splashgen.errors import SplashgenError

__all__ = ["COLORS", "ReportError", "drawing", "svg", "write_png"]

COLORS = {
    "ink": "#1b2430",
    "muted": "#6b7685",
    "grid": "#e3e7ed",
    "point": "#9aa5b4",
    "best": "#2f6fde",
    "default": "#d9822b",
    "winner": "#1f9d63",
    "loss": "#c8453b",
}
"""The light palette by role; the page's style sheet defines `--ink` and so on for light and dark."""


class ReportError(SplashgenError):
    """A report cannot be made."""


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Within, matplotlib draws in the house's style, and text is text: a `$` in a name is no formula.

    Raises
    ------
    ReportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise ReportError(
            "The pictures of a report need matplotlib; install it with: "
            "pip install 'splashgen-kernels[plots]' (--json needs nothing more)."
        ) from None
    style: Any = {
        "axes.edgecolor": COLORS["grid"],
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.labelcolor": COLORS["muted"],
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlecolor": COLORS["ink"],
        "axes.titlelocation": "left",
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "font.size": 9,
        "grid.color": COLORS["grid"],
        "grid.linewidth": 0.7,
        "legend.fontsize": 8,
        "legend.frameon": False,
        "legend.labelcolor": COLORS["muted"],
        "svg.fonttype": "none",
        "svg.hashsalt": "splashgen",
        "text.color": COLORS["ink"],
        "text.parse_math": False,
        "figure.constrained_layout.h_pad": 0.1,
        "figure.constrained_layout.w_pad": 0.1,
        "xtick.color": COLORS["muted"],
        "xtick.major.size": 0,
        "ytick.color": COLORS["muted"],
        "ytick.major.size": 0,
    }
    with matplotlib.rc_context(style):
        yield


def svg(figure: Any, name: str) -> Markup:
    """The figure as an element for an HTML page; `name` keeps its ids apart from those of its neighbours.

    matplotlib escapes the text in it.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", text)
    text = re.sub(r' (?:width|height)="[^"]*pt"', "", text, count=2)  # the style sheet says how wide
    for role, color in COLORS.items():
        text = text.replace(color, f"var(--{role})")
    return Markup(text)


def write_png(figure: Any, path: Path) -> Path:
    """Write the figure in the light palette, sharp enough for print."""
    figure.savefig(path, dpi=160, facecolor="white")
    return path

"""Where shipped templates, tuned configs and results lie, in a wheel and in a checkout alike."""

from pathlib import Path

__all__ = ["shipped_folder"]

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """A folder of the checkout, such as `templates`: inside an installed wheel, or beside the package."""
    packaged = _PACKAGE / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name

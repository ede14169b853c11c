"""Where the shipped templates and tuned configs lie, in a wheel and in a checkout alike."""

from pathlib import Path

__all__ = ["shipped_folder"]

_PACKAGE = Path(__file__).resolve().parent


def shipped_folder(name: str) -> Path:
    """The folder `templates` or `tuned_configs`: inside an installed wheel, or beside the package."""
    packaged = _PACKAGE / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name

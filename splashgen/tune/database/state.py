"""The folder of this user where studies and locks lie."""

import os
import tempfile
from pathlib import Path

import platformdirs

from splashgen.tune.database.patience import StorageError

__all__ = ["state_folder", "writable"]


def state_folder() -> Path:
    """Where studies lie: `SPLASHGEN_STATE_DIR`, else the user's data folder."""
    chosen = os.environ.get("SPLASHGEN_STATE_DIR")
    return Path(chosen) if chosen else Path(platformdirs.user_data_dir("splashgen"))


def writable(folder: Path) -> Path:
    """The folder, made if it is missing.

    Raises
    ------
    StorageError
        If it cannot be made or nothing can be written to it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise StorageError(
            f"Studies cannot be kept in {folder} ({error.strerror}); make it a folder that you can write to, "
            "with space left, or set SPLASHGEN_STATE_DIR to one."
        ) from error

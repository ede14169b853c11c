"""The storage that `--storage` or `--state` names, for commands that only read studies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

__all__ = ["StateOption", "StorageOption", "opened_studies"]

StorageOption = Annotated[
    str | None, typer.Option(help="Where `splashgen tune --storage` kept the studies: a database's URL.")
]
StateOption = Annotated[
    Path | None, typer.Option(file_okay=False, help="The folder with studies.db; the user's if left out.")
]


def opened_studies(storage: str | None, state: Path | None) -> "BaseStorage | None":
    """The storage to read; None where nothing was tuned yet, so that a look leaves no empty file behind.

    Parameters
    ----------
    storage : str, optional
        The URL of a database.
    state : Path, optional
        A folder with `studies.db`; without either it is the user's.

    Raises
    ------
    SplashgenError
        If both are given, there is no file in the folder, or the database cannot be opened.
    """
    from splashgen.errors import SplashgenError
    from splashgen.tune.database.state import state_folder
    from splashgen.tune.database.storage import open_storage

    if storage is not None and state is not None:
        raise SplashgenError("--storage and --state are both given, but each names the place of the studies.")
    if storage is not None:
        return open_storage(storage).optuna
    folder = state or state_folder()
    if (folder / "studies.db").exists():
        return open_storage(folder).optuna
    if state is not None:
        raise SplashgenError(f"--state is {folder}, but there is no studies.db in it.")
    return None

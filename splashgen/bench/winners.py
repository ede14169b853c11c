"""The winners of a tune, wherever it left them, and how long it took to find each."""

from dataclasses import dataclass
from pathlib import Path

from splashgen.errors import SplashgenError
from splashgen.gpu import Gpu
from splashgen.store import Entry, Status, load
from splashgen.store.entry import GpuFacts, Key
from splashgen.store.schema import EntryModel
from splashgen.tune.database.storage import open_storage
from splashgen.tune.study.studies import FINISHED, about_study

__all__ = ["Won", "winners"]


@dataclass(frozen=True, slots=True)
class Won:
    """The winner for one problem in one regime."""

    entry: Entry
    seconds: float | None = None
    """From the start of the problem to its stored winner; None where nobody wrote it down."""


def winners(source: str, gpu: Gpu) -> dict[Key, Won]:
    """What a tune on this chip found, by problem and regime.

    Parameters
    ----------
    source : str
        A folder with tuned YAML files, with `studies.db`, or with both; or the URL of a storage. Files go
        before studies, which know how long a winner took; of several studies of a problem the last counts.
    gpu : Gpu
        The chip of the winners; those of others are left out.

    Raises
    ------
    SplashgenError
        If there are none.
    """
    found: dict[Key, Won] = {}
    folder = Path(source)
    if "://" in source or (folder / "studies.db").exists():
        found |= _of_studies(source if "://" in source else folder, gpu)
    for path in sorted(folder.glob(f"{gpu.slug}*.yaml")) if "://" not in source else ():
        file = load(path)
        for entry in file.entries if file.gpu.is_of(gpu) else ():
            known, ran = found.get(entry.key), entry.status is Status.MEASURED and not entry.failure
            if ran and (known is None or known.entry.config != entry.config):
                found[entry.key] = Won(entry)
    if not found:
        raise SplashgenError(
            f"{source} has no winner for {gpu.name}; name a folder of tuned YAML files or of studies, or"
            " the URL of a storage."
        )
    return found


def _of_studies(where: str | Path, gpu: Gpu) -> dict[Key, Won]:
    """Winners of the studies that are finished; those that another version wrote are left out."""
    found: dict[Key, Won] = {}
    studies = open_storage(where).optuna.get_all_studies()
    for study in sorted(studies, key=lambda study: study._study_id):
        finished = study.user_attrs.get(FINISHED)
        try:
            if not finished or not GpuFacts.of(about_study(study.user_attrs).gpu).is_of(gpu):
                continue
            entry = EntryModel.model_validate(finished["entry"]).build()
        except ValueError:
            continue
        found[entry.key] = Won(entry, finished.get("seconds"))
    return found

"""`Results`: one JSON file an experiment, a row a run, from which an interrupted experiment goes on."""

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["Results", "run_key"]


def run_key(run: dict[str, Any]) -> str:
    """The name of a run in the file, such as `seed=0 context=1024 variant=softmax`."""
    return " ".join(f"{name}={value}" for name, value in run.items())


class Results:
    """The rows that were measured so far with one config.

    Parameters
    ----------
    path : Path
        Read if it exists.
    experiment : str
        Its name.
    config : dict
        What was fixed before the first run.

    Raises
    ------
    ValueError
        If the file is of another experiment or was made with another config: such rows cannot be compared.
    """

    def __init__(self, path: Path, experiment: str, config: dict[str, Any]) -> None:
        self.path = path
        config = json.loads(json.dumps(config))  # tuples become lists, as in the file
        self.data: dict[str, Any] = {"experiment": experiment, "config": config, "sessions": [], "runs": {}}
        if not path.exists():
            return
        stored = json.loads(path.read_text(encoding="utf-8"))
        if (stored.get("experiment"), stored.get("config")) != (experiment, config):
            raise ValueError(
                f"{path} holds results of another experiment or config, which new ones cannot be compared "
                f"with; move it away, or choose another folder with --out."
            )
        self.data = stored

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Each run's own fields (`seed`, `variant`, ...) with what came out."""
        return list(self.data["runs"].values())

    def begin(self, facts: dict[str, Any]) -> None:
        """Rows that follow were measured where `facts` say."""
        self.data["sessions"].append(facts)

    def has(self, run: dict[str, Any]) -> bool:
        """Whether a run is in the file already."""
        return run_key(run) in self.data["runs"]

    def add(self, run: dict[str, Any], outcome: dict[str, Any]) -> None:
        """Add a row and save; readers see the old file or the new one."""
        session = len(self.data["sessions"]) - 1
        self.data["runs"][run_key(run)] = {**run, **outcome, "session": session}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(self.data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(temporary, self.path)

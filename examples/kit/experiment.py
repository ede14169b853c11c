"""`Experiment`: runs fixed in advance, executed one after the other, resumed, tabled and drawn."""

import argparse
import gc
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from examples.kit.results import Results, run_key
from splashgen.bench.facts import session_facts

__all__ = ["Experiment", "Setting", "main", "parser", "perform"]

Run = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Where an experiment runs: a device, and a folder or archive with text where none is installed."""

    device: torch.device
    data: Path | None = None


@dataclass(frozen=True)
class Experiment:
    """A question put to models.

    Attributes
    ----------
    name : str
        Of its files of results.
    config, toy : dataclass instances
        What is fixed before the first run; `toy` runs in seconds on a CPU, and its numbers mean nothing.
    runs : (config) → list of runs
        In the order in which they are executed.
    execute : (config, run, setting) → dict
        What came out of one run, as JSON holds it.
    table : (rows) → str
        Markdown.
    draw : (rows, path) → None
        Writes a PNG.
    """

    name: str
    config: Any
    toy: Any
    runs: Callable[[Any], list[Run]]
    execute: Callable[[Any, Run, Setting], dict[str, Any]]
    table: Callable[[list[Run]], str]
    draw: Callable[[list[Run], Path], None]


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that all scripts share."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--toy", action="store_true", help="Sizes for a CPU; the numbers mean nothing.")
    options.add_argument("--out", type=Path, default=Path("examples/results"), help="Folder of results.")
    options.add_argument("--data", type=Path, help="Folder or archive with the text, if not installed.")
    options.add_argument("--budget", type=float, default=float("inf"), help="Seconds; the rest can resume.")
    options.add_argument("--device", help="cuda or cpu; the GPU if there is one.")
    options.add_argument("--no-plot", action="store_true", help="Write results and table alone.")
    options.add_argument("--only-report", action="store_true", help="Table and plot of what there is.")
    return options


def main(experiment: Experiment, description: str | None) -> None:
    """The command line of one experiment."""
    perform(experiment, parser(description).parse_args())


def perform(experiment: Experiment, options: argparse.Namespace) -> bool:
    """Execute the runs that are missing, then draw, and print the table last.

    Returns
    -------
    bool
        Whether no run is missing any more.
    """
    end = time.monotonic() + options.budget
    config = experiment.toy if options.toy else experiment.config
    stem = f"{experiment.name}-toy" if options.toy else experiment.name
    results = Results(options.out / f"{stem}.json", experiment.name, asdict(config))
    missing = [run for run in experiment.runs(config) if not results.has(run)]
    if missing and not options.only_report:
        _execute(experiment, config, results, missing, _setting(options), end)
        missing = [run for run in missing if not results.has(run)]
    if results.rows and not options.no_plot:
        experiment.draw(results.rows, options.out / f"{stem}.png")
    if results.rows:
        print(f"\n{stem}, {_where(results)}\n\n{experiment.table(results.rows)}\n", flush=True)
    if missing:
        print(f"{len(missing)} runs of {stem} are missing; the same command goes on with them.", flush=True)
    return not missing


def _execute(
    experiment: Experiment, config: Any, results: Results, runs: list[Run], setting: Setting, end: float
) -> None:
    results.begin(_facts(setting.device))
    longest = 0.0
    for run in runs:
        if time.monotonic() + longest > end:
            return
        began = time.monotonic()
        outcome = experiment.execute(config, run, setting)
        longest = max(longest, time.monotonic() - began)
        results.add(run, {**outcome, "seconds": round(time.monotonic() - began, 2)})
        print(f"{experiment.name} {run_key(run)}: {time.monotonic() - began:.1f} s", flush=True)
        gc.collect()
        if setting.device.type == "cuda":
            torch.cuda.empty_cache()  # the next run's peak is its own


def _setting(options: argparse.Namespace) -> Setting:
    name = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Setting(torch.device(name), options.data)


def _facts(device: torch.device) -> dict[str, Any]:
    import transformers

    return {**session_facts(device), "transformers": transformers.__version__}


def _where(results: Results) -> str:
    """The devices that the rows were measured on, with versions."""
    made = {
        f"{facts['device']}, torch {facts['torch']}, splashgen {facts['splashgen']}, {facts['date'][:10]}"
        for facts in results.data["sessions"]
    }
    return "; ".join(sorted(made))

"""All experiments, the most important first, within one budget; the same command goes on where it ended."""

import argparse
import time
import traceback

from examples.classify import EXPERIMENT as CLASSIFY
from examples.convert import EXPERIMENT as CONVERT
from examples.kit.experiment import Experiment, parser, perform
from examples.language_model import EXPERIMENT as LANGUAGE_MODEL
from examples.recall import EXPERIMENT as RECALL
from examples.recorded import EXPERIMENT as RECORDED
from examples.retrieve import EXPERIMENT as RETRIEVE
from examples.step_cost import EXPERIMENT as STEP_COST

EXPERIMENTS: tuple[Experiment, ...] = (
    RECALL,
    STEP_COST,
    LANGUAGE_MODEL,
    CLASSIFY,
    CONVERT,
    RETRIEVE,
    RECORDED,
)


def main() -> None:
    """The command line."""
    options = parser(__doc__)
    names = [experiment.name for experiment in EXPERIMENTS]
    options.add_argument("--only", nargs="+", choices=names, default=names, help="Some of them.")
    chosen = options.parse_args()
    failed = run_all([experiment for experiment in EXPERIMENTS if experiment.name in chosen.only], chosen)
    if failed:
        raise SystemExit(f"These failed or are not complete: {', '.join(failed)}.")


def run_all(experiments: list[Experiment], options: argparse.Namespace) -> list[str]:
    """Perform experiments one after the other; one that fails does not keep the others from running.

    Returns
    -------
    list of str
        Names of those that failed or have runs left.
    """
    end = time.monotonic() + options.budget
    left = []
    for experiment in experiments:
        options.budget = end - time.monotonic()
        try:
            complete = perform(experiment, options)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            print(f"{experiment.name} failed: {error}", flush=True)
            complete = False
        if not complete:
            left.append(experiment.name)
    return left


if __name__ == "__main__":
    main()

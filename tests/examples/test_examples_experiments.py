"""Every experiment runs at toy size on the CPU, resumes, and refuses results of another config."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="The experiments need Transformers.")

from examples.kit.experiment import Experiment, parser, perform
from examples.kit.results import Results
from examples.run_all import EXPERIMENTS, run_all

pytestmark = pytest.mark.filterwarnings("ignore:No config is tuned")


def options(out: Path, data: Path, *more: str) -> argparse.Namespace:
    """A toy run on the CPU."""
    return parser("").parse_args(["--toy", "--device", "cpu", "--out", str(out), "--data", str(data), *more])


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_an_experiment_runs_and_resumes(experiment: Experiment, tmp_path, shipped, capsys):
    assert perform(experiment, options(tmp_path, shipped))
    stored = json.loads((tmp_path / f"{experiment.name}-toy.json").read_text())
    assert len(stored["runs"]) == len(experiment.runs(experiment.toy))
    assert (tmp_path / f"{experiment.name}-toy.png").stat().st_size > 5000
    assert capsys.readouterr().out.rstrip().endswith(experiment.table(list(stored["runs"].values())).rstrip())

    dropped = next(iter(stored["runs"]))
    del stored["runs"][dropped]
    (tmp_path / f"{experiment.name}-toy.json").write_text(json.dumps(stored))
    executed = []
    counting = replace(
        experiment, execute=lambda *given: executed.append(given[1]) or experiment.execute(*given)
    )
    assert perform(counting, options(tmp_path, shipped, "--no-plot"))
    assert len(executed) == 1


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_seeds_and_steps_are_fixed_and_variants_are_given_the_same_seeds(experiment: Experiment):
    runs = experiment.runs(experiment.config)
    assert len({json.dumps(run) for run in runs}) == len(runs)
    seeds: dict[str, set[int]] = {}
    for run in runs:
        if "seed" in run and "swapped" not in run["variant"] and "as it is" not in run["variant"]:
            seeds.setdefault(run["variant"], set()).add(run["seed"])
    assert all(len(some) >= 3 and some == next(iter(seeds.values())) for some in seeds.values())


def test_no_budget_executes_nothing_and_says_what_is_left(tmp_path, posts, capsys):
    [recall] = [experiment for experiment in EXPERIMENTS if experiment.name == "recall"]
    assert not perform(recall, options(tmp_path, posts, "--budget", "0"))
    assert "3 runs of recall-toy are missing" in capsys.readouterr().out


def test_one_failure_does_not_keep_the_others_from_running(tmp_path, posts, capsys):
    [recall] = [experiment for experiment in EXPERIMENTS if experiment.name == "recall"]

    def fail(*_):
        raise RuntimeError("This one is broken.")

    broken = replace(recall, name="broken", execute=fail)
    assert run_all([broken, recall], options(tmp_path, posts, "--no-plot")) == ["broken"]
    assert "broken failed: This one is broken." in capsys.readouterr().out
    assert (tmp_path / "recall-toy.json").exists()


def test_results_of_another_config_are_refused(tmp_path):
    path = tmp_path / "recall.json"
    results = Results(path, "recall", {"steps": 3})
    results.begin({"device": "here"})
    results.add({"seed": 1}, {"accuracy": 0.5})
    assert Results(path, "recall", {"steps": 3}).has({"seed": 1})
    with pytest.raises(ValueError, match="another experiment or config"):
        Results(path, "recall", {"steps": 4})


def test_a_picture_needs_no_complete_results(tmp_path):
    """A seed that lacks its last context is drawn as far as it goes."""
    [model] = [experiment for experiment in EXPERIMENTS if experiment.name == "language_model"]
    rows = [
        {**run, "validation_loss": 5.0, "step_ms": 1.0, "peak_gb": 0.1, "losses": [5.0]}
        for run in model.runs(model.config)
    ]
    model.draw(rows[:-1], tmp_path / "some.png")
    assert (tmp_path / "some.png").stat().st_size > 5000

"""From recordings in files to a verdict: rows that are left out, and the script that fits and judges."""

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.families import family_for
from splashgen.gpu import KNOWN_GPUS
from splashgen.plan.constants import START
from splashgen.plan.judge import Planned, planned
from splashgen.plan.model import predicted_ms, terms_of
from splashgen.plan.planner import Plan, Ranked
from splashgen.plan.recorded import Recorded, recorded
from splashgen.problem import DType
from splashgen.render import render
from splashgen.store import Provenance
from splashgen.tune.measure.outcome import Outcome, Status
from splashgen.tune.presets import attention
from splashgen.tune.recordings.files import append, begin, write
from splashgen.tune.recordings.recording import Head, Recording, Resources, Row

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "judge_plan.py"
CHOICES = {"block_n": (32, 64), "output_stages": (1, 2, 3), "dq_stages": (1, 2)}


def recording(make, slug: str, length: int, counted: bool = True) -> Recording:
    """Times that are the model's own, but for a candidate that is wrong."""
    gpu, problem = KNOWN_GPUS[slug], attention(DType.BFLOAT16, 64, length)
    default = family_for(problem, gpu).default(problem, gpu)
    choices = {name: CHOICES.get(name, (value,)) for name, value in default.items}
    made = Provenance("0.1.0", "2.11.0", "3.6.0", "", "2026-11-23")
    rows = []
    for block_n in (32, 64):
        for stages in (1, 2, 3):
            config = default.replace(block_n=block_n, output_stages=stages)
            kernels = make(config)
            time = float(predicted_ms(terms_of(problem, config, gpu, kernels), START))
            resources = tuple(
                Resources(
                    kernel.name,
                    kernel.registers,
                    kernel.spills,
                    kernel.shared_memory,
                    kernel.num_warps,
                    kernel.tensor_memory,
                    kernel.instructions if counted else 0,
                    kernel.loops if counted else (),
                )
                for kernel in kernels
            )
            rows.append(
                Row(config, render(problem, config).hash, Outcome(Status.OK, samples=(time,)), resources)
            )
    wrong = Row(
        default.replace(dq_stages=1), "1" * 16, Outcome(Status.WRONG, "It is wrong."), rows[0].kernels
    )
    head = Head(problem, gpu, default.family, choices, default, 7, 0.1, made)
    return Recording(head, (*rows, wrong))


def test_correct_rows_are_kept_with_their_terms(attention_kernels) -> None:
    found = recorded(recording(attention_kernels, "h100", 256))
    assert len(found.configs) == 6
    assert found.default == found.configs.index(
        family_for(found.problem, found.gpu).default(found.problem, found.gpu)
    )
    assert predicted_ms(found.measured.terms, START) == pytest.approx(found.measured.times_ms)


def test_what_was_not_counted_is_compiled(attention_kernels) -> None:
    bare = recording(attention_kernels, "h100", 256, counted=False)
    with pytest.raises(ValueError, match="no correct candidate whose kernels are known"):
        recorded(bare)
    with pytest.raises(ValueError, match="no correct candidate"):
        recorded(bare, lambda problem, config, gpu: KernelError("It does not compile."))
    found = recorded(bare, lambda problem, config, gpu: attention_kernels(config))
    assert len(found.configs) == 6
    stale = replace(bare, rows=tuple(replace(row, code_hash="2" * 16) for row in bare.rows))
    with pytest.raises(ValueError, match="no correct candidate"):
        recorded(stale, lambda problem, config, gpu: attention_kernels(config))


def _plan(one: Recorded, *configs: Config) -> Plan:
    ranked = tuple(Ranked(config, 1.0 + place, place) for place, config in enumerate(configs))
    return Plan(one.problem, one.gpu, ranked)


def test_a_plan_is_judged_by_its_first_choice_or_by_the_next_that_was_measured(attention_kernels) -> None:
    one = recorded(recording(attention_kernels, "h100", 256))
    best, worst = (one.configs[int(place)] for place in one.measured.times_ms.argsort()[[0, -1]])
    unknown = one.configs[0].replace(dkdv_stages=1)
    assert planned(one, _plan(one, best, worst)) == Planned(1, 1.0, 2)
    assert planned(one, _plan(one, unknown, worst)) == Planned(
        2, one.measured.times_ms.min() / one.measured.times_ms.max(), 2
    )
    assert planned(one, _plan(one, unknown)) is None


def test_the_script_looks_up_what_a_plan_of_its_own_would_take(
    planned_kernels, attention_kernels, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("splashgen.plan.Compiled", planned_kernels)
    paths = []
    # The first two are of one problem: it is held out as a whole.
    for number, length in enumerate((256, 256, 512)):
        paths.append(tmp_path / f"{number}.jsonl")
        write(paths[-1], recording(attention_kernels, "h100", length))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, paths), "--planned", "1", "--jobs", "1"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    text = capsys.readouterr().out
    assert text.split("## With what is shipped")[0].count("| h100 |") == 2
    assert "Of 2 plans the first choice was measured" in text, "a plan of one candidate is the default"


def test_the_script_fits_judges_and_reports(attention_kernels, tmp_path, monkeypatch, capsys) -> None:
    paths = []
    for slug, length in (("h100", 256), ("h100", 512), ("h200", 512)):
        one = recording(attention_kernels, slug, length)
        paths.append(str(tmp_path / f"{slug}-{length}.jsonl"))
        begin(Path(paths[-1]), one.head)
        for row in one.rows:
            append(Path(paths[-1]), one.head, row)
    constants = tmp_path / "constants.json"
    constants.write_text("{}")
    monkeypatch.setattr("splashgen.plan.constants.FILE", constants)
    report = tmp_path / "report.md"
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *paths, "--output", str(report), "--store"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    text = report.read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    assert "| h100 | attention alpha=1.5 bfloat16 head_dim=64 seq_len=256 causal training | 6 of 7 |" in text
    assert "## Chips that the fit never saw" in text and "| h200 |" in text
    unseen, shipped = text.split("## With what is shipped: ")
    assert unseen.count("Geometric mean of the speeds: 1.000, least 1.000") == 2
    assert shipped.count("| h100 |") == 2 and shipped.count("| h200 |") == 1
    assert "constants fitted to 12 candidates of 2 problems on NVIDIA H100" in constants.read_text()

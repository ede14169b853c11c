"""Fits the cost model of `splashgen plan` to recordings, and judges it on what it has not seen.

    python benchmarks/judge_plan.py RECORDING... --fit-on h100 [--planned 24] [--output FILE.md] [--store]

Recordings come from `splashgen record`, or, of what tunes measured, from `splashgen recordings`; several of
one problem on one chip are taken together. Each problem of the chip `--fit-on` is judged with constants
fitted to its other problems, and each problem of any other chip with constants fitted to all of them; all
of them are judged with the shipped constants too. With
`--planned N`, N candidates are planned for each problem with those constants, as if nothing had been
measured, and their first choice is looked up among the measured. With `--store`, the constants fitted to all
problems become the ones of the chip's architecture in `splashgen/plan/constants.json`.
"""

import argparse
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from splashgen.compile import CompiledKernel, CompilePool
from splashgen.config import Config
from splashgen.errors import KernelError
from splashgen.gpu import Gpu
from splashgen.plan import Compiled, plan_problem
from splashgen.plan.constants import START, constants_for, store_constants
from splashgen.plan.fit import fit
from splashgen.plan.judge import Judgement, Planned, judge, judge_held_out, judge_other_chip, planned
from splashgen.plan.recorded import Recorded, recorded
from splashgen.problem import Problem
from splashgen.store import Provenance
from splashgen.tune.recordings.files import read
from splashgen.tune.recordings.merge import merged

_HEADER = (
    "| chip | problem | candidates | best, ms | first choice, ms | speed | default's | Spearman | Kendall "
    "| planned: speed |"
)
Judged = tuple[Judgement, Planned | None]


def main() -> None:
    """Read, fit, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--fit-on", default="h100", help="the chip whose recordings are fitted to")
    parser.add_argument("--planned", type=int, default=0, help="candidates of a plan of its own; 0: no plan")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at a time")
    parser.add_argument("--output", type=Path, help="a Markdown file to write")
    parser.add_argument("--store", action="store_true", help="keep the constants for `splashgen plan`")
    options = parser.parse_args()
    with CompilePool(options.jobs) as pool:
        compiled = Compiled(pool)
        made, everything = _read(options.recordings, compiled)
        fitted = [each for each in everything if each.gpu.slug == options.fit_on]
        others = [each for each in everything if each.gpu.slug != options.fit_on]
        constants = fit([each.measured for each in fitted], START)
        held_out, elsewhere = (
            [(one, _planned(one, compiled, options.planned)) for one in judgements]
            for judgements in (judge_held_out(fitted, START), judge_other_chip(fitted, others, START))
        )
    shipped = [judge(each, constants_for(each.gpu)[0]) for each in everything]
    text = "\n".join(_report(made, fitted, held_out, elsewhere, shipped, asdict(constants)))
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    if options.store:
        count = sum(len(each.configs) for each in fitted)
        basis = f"constants fitted to {count} candidates of {len(fitted)} problems on {fitted[0].gpu.name}"
        store_constants(fitted[0].gpu.arch, constants, basis)


def _read(paths: Sequence[Path], compiled: Compiled) -> tuple[Provenance, list[Recorded]]:
    """Every problem on every chip; candidates whose loops nobody counted are compiled here."""

    def compile_one(problem: Problem, config: Config, gpu: Gpu) -> tuple[CompiledKernel, ...] | KernelError:
        return compiled.ask(problem, config, gpu).result()

    recordings = merged(read(path) for path in paths)
    return recordings[0].head.made, [recorded(each, compile_one) for each in recordings]


def _planned(judgement: Judgement, compiled: Compiled, candidates: int) -> Planned | None:
    if not candidates:
        return None
    one = judgement.recorded
    plan = plan_problem(one.problem, one.gpu, compiled, candidates, constants=judgement.constants)
    return planned(one, plan)


def _report(
    made: Provenance,
    fitted: Sequence[Recorded],
    held_out: Sequence[Judged],
    others: Sequence[Judged],
    shipped: Sequence[Judgement],
    constants: dict[str, float],
) -> Iterator[str]:
    yield f"# Plans against measurements, fitted on {fitted[0].gpu.name}\n"
    yield f"torch {made.torch}, triton {made.triton}, {made.date}. Made by `benchmarks/judge_plan.py`.\n"
    yield "Speed is the best candidate's measured time over the first choice's: 1 is the best there is. The"
    yield "first choice is the model's among the correct candidates that were measured, so many of the"
    yield "points of the space; the correlations compare predicted and measured times over all of them. A"
    yield "plan of its own knows nothing of what was measured: its speed is that of its first choice; or,"
    yield "where nobody measured that, of the first in its order that somebody did, whose place is given.\n"
    yield "## Problems that were held out of the fit\n"
    yield from _table(held_out)
    if others:
        yield "\n## Chips that the fit never saw\n"
        yield from _table(others)
    basis = " and ".join(dict.fromkeys(constants_for(each.recorded.gpu)[1] for each in shipped))
    yield f"\n## With what is shipped: {basis}\n"
    yield from _table([(each, None) for each in shipped])
    yield "\n## Constants fitted to all problems of the chip\n"
    yield ", ".join(f"{name} {value:.4g}" for name, value in constants.items()) + "."


def _table(judgements: Sequence[Judged]) -> Iterator[str]:
    yield _HEADER
    yield "|" + "---|" * (_HEADER.count("|") - 1)
    for one, plan in judgements:
        default = "" if one.default_ms is None else f"{one.best_ms / one.default_ms:.3f}"
        points = f"{len(one.recorded.configs)} of {one.recorded.points:.3g}"
        yield (
            f"| {one.recorded.gpu.slug} | {one.recorded.problem} | {points} | {one.best_ms:.3f} "
            f"| {one.chosen_ms:.3f} | {one.speed:.3f} | {default} | {one.spearman:.2f} | {one.kendall:.2f} "
            f"| {_cell(plan)} |"
        )
    speeds = [one.speed for one, _ in judgements]
    error = sum(one.error for one, _ in judgements) / len(judgements)
    yield f"\nGeometric mean of the speeds: {_mean(speeds):.3f}, least {min(speeds):.3f}. Predicted times are"
    yield f"off by a factor of {math.exp(error):.2f} (the median candidate, mean over the problems)."
    firsts = [plan.speed for _, plan in judgements if plan is not None and plan.place == 1]
    if firsts:
        yield f"Of {len(firsts)} plans the first choice was measured: geometric mean of their speeds"
        yield f"{_mean(firsts):.3f}, least {min(firsts):.3f}."


def _cell(plan: Planned | None) -> str:
    if plan is None:
        return ""
    return f"{plan.speed:.3f}" if plan.place == 1 else f"{plan.speed:.3f} (place {plan.place} of {plan.most})"


def _mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


if __name__ == "__main__":
    main()

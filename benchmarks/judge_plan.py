"""Fits the cost model of `splashgen plan` to recordings, and judges it on what it has not seen.

    python benchmarks/judge_plan.py RECORDING... --fit-on h100 [--output FILE.md] [--store]

Recordings come from `splashgen record`. Each problem of the chip `--fit-on` is judged with constants
fitted to its other problems, and each recording of any other chip with constants fitted to all of them. With
`--store`, those constants become the ones of the chip's architecture in `splashgen/plan/constants.json`.
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
from splashgen.plan import Compiled
from splashgen.plan.constants import START, store_constants
from splashgen.plan.fit import fit
from splashgen.plan.judge import Judgement, judge_held_out, judge_other_chip
from splashgen.plan.recorded import Recorded, recorded
from splashgen.problem import Problem
from splashgen.store import Provenance
from splashgen.tune.recordings.files import read

_HEADER = (
    "| chip | problem | candidates | best, ms | first choice, ms | speed | default's | Spearman | Kendall |"
)


def main() -> None:
    """Read, fit, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recordings", nargs="+", type=Path)
    parser.add_argument("--fit-on", default="h100", help="the chip whose recordings are fitted to")
    parser.add_argument("--output", type=Path, help="a Markdown file to write")
    parser.add_argument("--store", action="store_true", help="keep the constants for `splashgen plan`")
    options = parser.parse_args()
    made, everything = _read(options.recordings)
    fitted = [each for each in everything if each.gpu.slug == options.fit_on]
    others = [each for each in everything if each.gpu.slug != options.fit_on]
    constants = fit([each.measured for each in fitted], START)
    held_out = judge_held_out(fitted, START)
    text = "\n".join(
        _report(made, fitted, held_out, judge_other_chip(fitted, others, START), asdict(constants))
    )
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    if options.store:
        count = sum(len(each.configs) for each in fitted)
        basis = f"constants fitted to {count} candidates of {len(fitted)} problems on {fitted[0].gpu.name}"
        store_constants(fitted[0].gpu.arch, constants, basis)


def _read(paths: Sequence[Path]) -> tuple[Provenance, list[Recorded]]:
    """Every recording; candidates whose loops nobody counted are compiled here."""
    recordings = [read(path) for path in paths]
    with CompilePool(os.cpu_count() or 1) as pool:
        compiled = Compiled(pool)

        def compile_one(
            problem: Problem, config: Config, gpu: Gpu
        ) -> tuple[CompiledKernel, ...] | KernelError:
            return compiled.ask(problem, config, gpu).result()

        return recordings[0].head.made, [recorded(each, compile_one) for each in recordings]


def _report(
    made: Provenance,
    fitted: Sequence[Recorded],
    held_out: Sequence[Judgement],
    others: Sequence[Judgement],
    constants: dict[str, float],
) -> Iterator[str]:
    yield f"# Plans against measurements, fitted on {fitted[0].gpu.name}\n"
    yield f"torch {made.torch}, triton {made.triton}, {made.date}. Made by `benchmarks/judge_plan.py`.\n"
    yield "Speed is the best candidate's measured time over the first choice's: 1 is the best there is. The"
    yield "correlations compare predicted and measured times over all correct candidates of a recording.\n"
    yield "## Problems that were held out of the fit\n"
    yield from _table(held_out)
    if others:
        yield "\n## Chips that the fit never saw\n"
        yield from _table(others)
    yield "\n## Constants fitted to all problems of the chip\n"
    yield ", ".join(f"{name} {value:.4g}" for name, value in constants.items()) + "."


def _table(judgements: Sequence[Judgement]) -> Iterator[str]:
    yield _HEADER
    yield "|" + "---|" * (_HEADER.count("|") - 1)
    for one in judgements:
        default = "" if one.default_ms is None else f"{one.best_ms / one.default_ms:.3f}"
        what = f"{one.recorded.gpu.slug} | {one.recorded.problem} | {len(one.recorded.configs)}"
        yield (
            f"| {what} | {one.best_ms:.3f} "
            f"| {one.chosen_ms:.3f} | {one.speed:.3f} | {default} | {one.spearman:.2f} | {one.kendall:.2f} |"
        )
    speeds = [one.speed for one in judgements]
    mean = math.exp(sum(map(math.log, speeds)) / len(speeds))
    error = sum(one.error for one in judgements) / len(judgements)
    yield f"\nGeometric mean of the speeds: {mean:.3f}, least {min(speeds):.3f}. Predicted times are off by"
    yield f"a factor of {math.exp(error):.2f} (the median candidate, mean over the problems)."


if __name__ == "__main__":
    main()

"""Lets the winners of two independent tunes meet on the GPU at hand, and says how often they agree.

    python benchmarks/agree.py FIRST SECOND [--output FILE.md] [--json FILE]

FIRST and SECOND are where the tunes left their winners: a folder of tuned YAML files, of studies
(SPLASHGEN_STATE_DIR) or of both, or the URL of a storage. Problems that only one of them tuned are left out.
"""

import argparse
import json
import sys
from pathlib import Path

from splashgen.bench.agreement import Meeting, common, markdown, meet
from splashgen.bench.winners import winners
from splashgen.errors import SplashgenError
from splashgen.tune import Limits, choose_gpu
from splashgen.tune.device import exclusive
from splashgen.tune.measure.bench import Bench, Tools


def main() -> None:
    """Read both, let each pair meet, write what is known after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--gpu", default="auto", help="the device, which must be the one of this machine")
    parser.add_argument(
        "--seconds",
        type=float,
        default=Limits().shoot_out_seconds,
        help="of repetitions for each pair; the tuner's own if left out",
    )
    parser.add_argument("--output", type=Path, help="a Markdown file to write")
    parser.add_argument("--json", type=Path, help="a JSON file to write")
    options = parser.parse_args()
    try:
        run(options)
    except SplashgenError as error:
        sys.exit(f"agree.py: {error}")


def run(options: argparse.Namespace) -> None:
    """What `main` does with its options."""
    gpu = choose_gpu(options.gpu)
    first, second = winners(options.first, gpu), winners(options.second, gpu)
    keys, limits = common(first, second), Limits()
    if not keys:
        raise SplashgenError("No problem was tuned by both.")
    meetings: list[Meeting] = []
    with exclusive(gpu), Bench(Tools(), limits.candidate_seconds) as bench:
        for place, key in enumerate(keys, 1):
            one = meet(bench, gpu, key, first[key], second[key], options.seconds)
            meetings.append(one)
            print(f"[{place}/{len(keys)}] {one.title}: {one.verdict}", file=sys.stderr, flush=True)
            if options.json:
                options.json.write_text(json.dumps([each.as_dict() for each in meetings], indent=1) + "\n")
            if options.output:
                options.output.write_text(markdown(meetings, gpu) + "\n", encoding="utf-8")
    print(markdown(meetings, gpu))


if __name__ == "__main__":
    main()

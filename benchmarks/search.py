"""Replays recorded spaces and prints what the tuner's search reaches with a tenth of their points.

python benchmarks/search.py benchmarks/recordings/*.jsonl --output benchmarks/results/search/search.json
"""

import argparse
import json
from pathlib import Path

from splashgen.bench.search import markdown, study
from splashgen.tune.recordings.files import read


def main() -> None:
    """Parse the command line, replay, print the table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recordings", nargs="+", type=Path, help="what splashgen record wrote")
    parser.add_argument("--seeds", type=int, default=30, help="replays of each (default: 30)")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="JSON file of the figures; the table goes beside it")
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    rows = study([read(path) for path in options.recordings], seeds)
    table = markdown(rows)
    print(table)
    if options.output is not None:
        options.output.write_text(json.dumps(rows, indent=1) + "\n")
        options.output.with_suffix(".md").write_text(table + "\n")


if __name__ == "__main__":
    main()

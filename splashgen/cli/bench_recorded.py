"""What `splashgen bench` does with results that are recorded: no GPU is needed."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splashgen.bench.collected import Collected

__all__ = ["show"]


def show(
    folder: Path, *, table: bool, plot: bool, targets: Path | None, gpu: str | None, peers: list[str] | None
) -> bool:
    """All that is asked for: the table, the plots, and last the check; whether a target is missed."""
    if table:
        _print_table(folder, peers)
    if plot:
        _draw(folder)
    return targets is not None and _print_check(folder, targets, gpu)


def _print_check(folder: Path, targets: Path, gpu: str | None) -> bool:
    """Print every cell of every target as measured on a chip; whether one is missed.

    The chip is the one that the targets name, if left out.
    """
    from splashgen.bench.check import check
    from splashgen.bench.collected import Collected
    from splashgen.bench.targets import load_targets
    from splashgen.gpu import check_known

    wanted = load_targets(targets)
    collected = Collected.of_folder(folder, gpu or wanted.gpu)
    if gpu is not None and not collected.keys:
        check_known(gpu, "--gpu")
    lines = check(wanted, collected)
    for line in lines:
        print(line)
    missed = sum(not line.met for line in lines)
    unmeasured = sum(line.reason.startswith("not measured") for line in lines)
    print(f"{len(lines) - missed} of {len(lines)} met; of {missed} missed, {unmeasured} are not measured.")
    return missed > 0


def _draw(folder: Path) -> None:
    """Draw what is recorded as PNGs in the same folder."""
    from splashgen.bench.plots import draw_plots

    chips = _collected(folder)
    for slug, collected in [chip for chip in chips if chip[1].keys] or chips:
        for path in draw_plots(collected, folder, slug):
            print(f"Drew {path}.")


def _print_table(folder: Path, peers: list[str] | None) -> None:
    """Print what is recorded as Markdown, one table a chip."""
    from splashgen.bench.table import markdown

    for slug, collected in _collected(folder):
        print(f"Measured on {slug}.\n")
        print("\n".join(markdown(collected, tuple(peers or ()))) + "\n")


def _collected(folder: Path) -> list[tuple[str, "Collected"]]:
    """Each chip that there are results of; the CPU only where nothing else was measured."""
    from splashgen.bench.collected import Collected
    from splashgen.bench.results import BenchError, Results

    files = [Results(path) for path in sorted(folder.glob("*.json"))]
    slugs = {session["gpu"] for file in files for session in file.data["sessions"]}
    if not slugs:
        raise BenchError(f"There are no results in {folder}; name another folder with --results.")
    return [(slug, Collected(files, slug)) for slug in sorted(slugs - {"cpu"} or slugs)]

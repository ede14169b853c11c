"""`splashgen bench`: splashgen and its peers on the same inputs, in one table."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splashgen.cli.bench_recorded import show
from splashgen.problem import MAX_HEAD_DIM

if TYPE_CHECKING:
    import torch

    from splashgen.bench.results import Results

__all__ = ["bench"]

_Which = tuple[Collection[int], Collection[int], Collection[str]]
"""Lengths, head dims and workloads."""
_Who = tuple[list[str], list[str]]
"""Peers that are named, and those that are skipped."""
_FOLDER = Path("benchmarks/results")
_TARGETS = Path("benchmarks/targets.yaml")


def bench(
    check: Annotated[
        bool, typer.Option("--check", help="Compare recorded results with the targets; needs no GPU.")
    ] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Draw recorded results as PNGs beside them.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Print recorded results as Markdown.")] = False,
    entmax: Annotated[bool, typer.Option("--entmax", help="Row-wise entmax instead of attention.")] = False,
    solvers: Annotated[
        bool, typer.Option("--solvers", help="Passes that each solver of τ needs, instead of attention.")
    ] = False,
    first_call: Annotated[
        bool, typer.Option("--first-call", help="First calls in new processes, instead.")
    ] = False,
    overhead: Annotated[
        bool, typer.Option("--overhead", help="What a call costs the host, instead.")
    ] = False,
    prepare: Annotated[
        bool,
        typer.Option("--prepare", help="Compile what the chosen cells and peers will need; times nothing."),
    ] = False,
    seq_len: Annotated[list[int] | None, typer.Option(min=1, help="Only this length; repeatable.")] = None,
    head_dim: Annotated[
        list[int] | None, typer.Option(min=1, max=MAX_HEAD_DIM, help="Only this head dim; repeatable.")
    ] = None,
    workload: Annotated[list[str] | None, typer.Option(help="Only this workload; repeatable.")] = None,
    peer: Annotated[list[str] | None, typer.Option(help="Only this peer, beside ours; repeatable.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Without this peer; repeatable.")] = None,
    budget: Annotated[
        float | None, typer.Option(min=1.0, help="Seconds after which no cell is begun.")
    ] = None,
    start_limit: Annotated[
        float,
        typer.Option(
            min=1.0, help="Seconds for a peer's first steps; then the run ends, the next leaves it out."
        ),
    ] = 600.0,
    rounds: Annotated[int, typer.Option(min=1, help="Samples for each peer and cell.")] = 15,
    again: Annotated[
        bool, typer.Option("--again", help="Measure anew what an earlier run measured.")
    ] = False,
    gpu: Annotated[
        str,
        typer.Option(
            help="For --prepare: a slug such as h100, which need not be here, or auto. For --check: whose "
            "results are compared, the targets' chip with auto."
        ),
    ] = "auto",
    processes: Annotated[
        int | None, typer.Option(min=1, help="For --prepare: how many compile at a time; one a core.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cuda, cuda:1 or cpu.")] = "auto",
    output: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="The file to add to; named by chip and date if left out."),
    ] = None,
    results: Annotated[
        Path, typer.Option(file_okay=False, help="The folder that --check, --plot and --table read.")
    ] = _FOLDER,
    targets: Annotated[Path, typer.Option(dir_okay=False, help="The targets that --check reads.")] = _TARGETS,
) -> None:
    """Measure splashgen and its peers in turn, on the same inputs, and keep every sample.

    A second run with the same --output fills in what is missing. Exits 1 if --check finds one missed,
    or --prepare leaves something out. --check, --plot and --table may be given together, and so may --entmax,
    --solvers, --first-call and --overhead.
    """
    from splashgen.bench.results import BenchError, Results
    from splashgen.gpu import detect

    which, who = (seq_len or (), head_dim or (), workload or ()), (peer or [], skip or [])
    kinds = {"entmax": entmax, "solvers": solvers, "first": first_call, "overhead": overhead}
    try:
        if (check or plot or table) + prepare + any(kinds.values()) > 1:
            raise ValueError(
                "--check, --plot and --table read what is recorded, --prepare only compiles, and --entmax, "
                "--solvers, --first-call and --overhead measure; give options of one of these kinds."
            )
        if check or plot or table:
            chip = None if gpu == "auto" else gpu
            wanted = targets if check else None
            missed = show(results, table=table, plot=plot, targets=wanted, gpu=chip, peers=peer)
        elif prepare:
            missed = _prepare(gpu, processes, which, who)
        else:
            missed = False
            where = _device(device)
            file = Results(output or _default_output(detect(where).slug))
            if any(kinds.values()):
                _others(file, where, kinds, seq_len, head_dim, peer, skip, rounds)
            else:
                limits = rounds, budget, start_limit
                _attention(file, where, which, who, limits, again)
    except (BenchError, ValueError, OSError, RuntimeError) as error:
        typer.echo(f"splashgen bench: {error}", err=True)
        raise typer.Exit(2) from None
    if missed:
        raise typer.Exit(1)


def _device(name: str) -> "torch.device":
    """What `--device` names; `ValueError` if it is not here."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if gpus else "cpu")
    kind, _, number = name.partition(":")
    if name not in ("cpu", "cuda") and not (kind == "cuda" and number.isdecimal()):
        raise ValueError(f"--device is {name!r}, but must be auto, cuda, cuda:1 or another number, or cpu.")
    if kind == "cuda" and int(number or 0) >= gpus:
        here = f"only the GPUs 0 to {gpus - 1}" if gpus > 1 else "only the GPU 0" if gpus else "no GPU"
        raise ValueError(
            f"--device is {name!r}, but torch finds {here} here; "
            + ("choose one of them." if gpus else "cpu runs everywhere, in small sizes.")
        )
    return torch.device(name)


def _say(line: str) -> None:
    print(line, flush=True)


def _default_output(slug: str) -> Path:
    import datetime

    return _FOLDER / f"{slug}-{datetime.datetime.now(datetime.UTC).date().isoformat()}.json"


def _prepare(gpu: str, processes: int | None, which: _Which, who: _Who) -> bool:
    """Whether something had to be left out."""
    from splashgen.bench.cells import GRID, select
    from splashgen.bench.peers import chosen
    from splashgen.bench.prepare import prepare
    from splashgen.gpu import named

    cells = select(GRID, *which)
    done = prepare(cells, chosen(*who), named(gpu), _say, processes)
    return done.left_out > 0


def _attention(
    file: "Results",
    device: "torch.device",
    which: _Which,
    who: _Who,
    limits: tuple[int, float | None, float],
    again: bool,
) -> None:
    from splashgen.bench.cells import GRID, TOY_GRID, select
    from splashgen.bench.peers import chosen
    from splashgen.bench.runner import Plan, run

    cells = select(TOY_GRID if device.type == "cpu" else GRID, *which)
    peers = chosen(*who)
    rounds, budget, start_limit = limits
    plan = Plan(cells, peers, rounds=rounds, budget=budget, start_limit=start_limit, again=again)
    left = run(plan, file, device, _say)
    _say(f"Results are in {file.path}." + (f" {left} cells are left for another run." if left else ""))


def _others(
    file: "Results",
    device: "torch.device",
    wanted: dict[str, bool],
    seq_lens: list[int] | None,
    head_dims: list[int] | None,
    peers: list[str] | None,
    skipped: list[str] | None,
    rounds: int,
) -> None:
    from splashgen.bench.facts import session_facts

    session = file.begin(session_facts(device))
    if wanted["entmax"]:
        from splashgen.bench.rowwise import LENGTHS, measure_rowwise

        measure_rowwise(file, session, device, seq_lens or LENGTHS, rounds, _say)
    if wanted["solvers"]:
        from splashgen.bench.solvers import measure_solvers

        measure_solvers(file, session, device, _say)
    if wanted["first"]:
        from splashgen.bench.first_call import measure_first_calls

        sizes = (seq_lens or [8192 if device.type == "cuda" else 256])[0], (head_dims or [64])[0]
        measure_first_calls(file, session, peers or ["ours"], sizes, str(device), _say)
    if wanted["overhead"]:
        from splashgen.bench.overhead import PEERS, measure_overhead
        from splashgen.bench.peers import chosen

        named = chosen(peers or PEERS, skipped or [])
        measure_overhead(file, session, device, named, seq_lens, (head_dims or [64])[0], _say)
    _say(f"Results are in {file.path}.")

"""The cost model: a kernel's products, instructions and waiting overlap in part, and memory sets a floor.

On a chip with M multiprocessors at the clock f that hold r blocks each at a time, a kernel takes

    t      = max((matrix^q + issue^q + move^q + wait^q)^(1/q), B / G / b) + o
    matrix = F / R / m
    issue  = I / (w·M·f) / i
    move   = L·d / (M·f)
    wait   = (T·(c + l / s) + J·e) / (r·M·f)

for F matrix operations at the data sheet's rate R, I warp instructions at w a clock, L of them loads and
stores, T turns of loops whose loads are s stages deep, J instructions of one warp of each block, and B bytes
at the bandwidth G. The `Constants` m, i, d, c, l, e, q, b and o belong to an architecture; all else is
compiled, counted, or printed in a data sheet. A problem's time is the sum over its kernels, and the geometric
mean over its workloads, as the tuner has it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splashgen.compile import CompiledKernel
from splashgen.config import Config
from splashgen.gpu import Gpu
from splashgen.plan.chips import chip_of
from splashgen.plan.demands import Demand, demands_of
from splashgen.plan.occupancy import resident_blocks
from splashgen.problem import Problem
from splashgen.store.entry import Regime

__all__ = ["Constants", "predicted_ms", "terms_of"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Constants:
    """How near to its data sheet an architecture comes, and how long it waits. All are above 0."""

    matrix: float
    """m: share of the matrix rate that these kernels reach."""
    issue: float
    """i: share of the clocks in which an instruction is issued where there is work enough."""
    transfer_clocks: float
    """d: between two loads or stores of a multiprocessor's warps."""
    chain_clocks: float
    """c: for one turn of a loop besides what follows: the latency of products, reductions, barriers."""
    load_clocks: float
    """l: for the loads of a turn, if they do not overlap with the turn before."""
    instruction_clocks: float
    """e: between two instructions of one warp."""
    overlap: float
    """q: 1 where nothing overlaps; the larger, the more."""
    memory: float
    """b: share of the memory bandwidth."""
    launch_us: float
    """o: of each kernel, in microseconds."""


def terms_of(
    problem: Problem,
    config: Config,
    gpu: Gpu,
    kernels: Sequence[CompiledKernel],
    regime: Regime = Regime.MIXED,
) -> Array:
    """What the constants are applied to: (workloads, kernels, 7), in seconds, or seconds a clock.

    The seven are matrix, issue, transfers, turns, turns a stage, instructions of a warp, and memory.

    Parameters
    ----------
    kernels : sequence of CompiledKernel
        What the config launches, compiled for this GPU, with the instructions counted.
    regime : Regime
        Whose timed workloads are meant; the operation must have it.

    Raises
    ------
    ValueError
        If the chip's rates are not known.
    NotImplementedError
        If the family's kernels are not known.
    """
    from splashgen.cases import case_for

    chip = chip_of(gpu)
    rate = chip.matrix_rate(problem.dtype, str(config.as_dict().get("precision", "ieee")))
    lanes = chip.lanes / gpu.warp_size
    return np.array(
        [
            [_terms(demand, gpu, rate, lanes) for demand in demands_of(problem, config, kernels, workload)]
            for workload in case_for(problem.operation).timed[regime]
        ]
    )


def predicted_ms(terms: Array, constants: Constants) -> Array:
    """Milliseconds (...) from terms (..., workloads, kernels, 7); a kernel without terms is not launched."""
    matrix, issue, transfers, turns, staged, serial, memory = np.moveaxis(terms, -1, 0)
    wait = (
        turns * constants.chain_clocks
        + staged * constants.load_clocks
        + serial * constants.instruction_clocks
    )
    moves = transfers * constants.transfer_clocks
    parts = np.stack([matrix / constants.matrix, issue / constants.issue, moves, wait])
    largest = np.maximum(parts.max(0), 1e-12)
    busy = largest * ((parts / largest) ** constants.overlap).sum(0) ** (1.0 / constants.overlap)
    launched = constants.launch_us * 1e-6 * (terms > 0.0).any(-1)
    kernels = np.maximum(busy, memory / constants.memory) + launched
    times: Array = 1e3 * np.exp(np.log(kernels.sum(-1)).mean(-1))
    return times


def _terms(demand: Demand, gpu: Gpu, matrix_rate: float, warps_a_clock: float) -> list[float]:
    chip = chip_of(gpu)
    resident = resident_blocks(demand.kernel, gpu, chip)
    rounds = 1.0
    if demand.persistent:
        # Programs that find no room wait until another has ended, however little they have to do.
        rounds = math.ceil(demand.persistent / resident) * min(resident / demand.persistent, 1.0)
        resident = min(resident, demand.persistent)
    # A grid smaller than the chip leaves some of it idle.
    share = min(1.0, demand.blocks / gpu.multiprocessors)
    resident = max(1, min(resident, round(demand.blocks / gpu.multiprocessors)))
    clocks = rounds / (gpu.multiprocessors * share * chip.clock_mhz * 1e6)
    return [
        demand.flops / (matrix_rate * share) * rounds,
        demand.instructions / warps_a_clock * clocks,
        demand.transfers * clocks,
        demand.turns / resident * clocks,
        demand.turns / demand.stages / resident * clocks,
        demand.instructions / demand.kernel.num_warps / resident * clocks,
        demand.bytes / (chip.bandwidth_gbs * 1e9),
    ]

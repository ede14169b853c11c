"""Prints the cells of the comparison, with check sums of what is drawn for them.

The grid and its seed are in splashgen/bench/cells.py, the generators in splashgen/workloads.py. The check
sums pin them: a cell's name in benchmarks/results/ stands for the same numbers as long as they agree.
"""

import hashlib
from dataclasses import replace

from splashgen.bench.cells import GRID, Cell
from splashgen.workloads import attention_tensors

CHECKSUMS = {
    "clustered1": "8e0b35847115cadd",
    "clustered2": "66c56005afd40bdf",
    "clustered4": "114b543957b7fdac",
    "clustered8": "53ec73213810151a",
    "gaussian": "a550c4a9fa7574c4",
    "gaussian6": "60a2fc47b90882f6",
    "local_sink": "fa46e7b5638123c6",
}
"""Of each workload at n=256, d=64, one batch item and two heads."""


def checksum(workload: str) -> str:
    """A hash of q, k, v and dout of a small cell with the grid's seed."""
    cell = replace(GRID[0], workload=workload, seq_len=256, head_dim=64, batch=1, heads=2)
    digest = hashlib.sha256()
    for tensor in attention_tensors(cell.workload, cell.shape, cell.seed).values():
        # Coarse sums instead of elements: an element may lie on the edge between two roundings.
        digest.update(f"{float(tensor.double().abs().sum()):.3g}".encode())
    return digest.hexdigest()[:16]


def describe(cell: Cell) -> str:
    """One line on a cell."""
    return f"{cell.key}  {CHECKSUMS[cell.workload]}"


if __name__ == "__main__":
    for name in CHECKSUMS:
        if checksum(name) != CHECKSUMS[name]:
            raise SystemExit(f"{name} draws other numbers than it did: check sum {checksum(name)}.")
    print("\n".join(map(describe, GRID)))

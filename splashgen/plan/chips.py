"""Rates and sizes of the known chips, from their makers' data sheets: what a cost model needs beyond `Gpu`.

NVIDIA's come from the architecture white papers (A100, Ada, Hopper, Blackwell) and the CUDA programming
guide's table of compute capabilities, AMD's from the CDNA 3 white paper and the MI300X data sheet. Matrix
rates are dense, bfloat16 with float32 sums.
"""

from dataclasses import dataclass

from splashgen.gpu import Gpu
from splashgen.problem import DType

__all__ = ["CHIPS", "Chip", "chip_of"]


@dataclass(frozen=True, slots=True)
class Chip:
    """What a chip can do in a second, and what one of its multiprocessors holds."""

    matrix_tflops: float
    """Dense bfloat16 matrix products, 10¹² operations a second."""
    bandwidth_gbs: float
    """Device memory, 10⁹ bytes a second."""
    clock_mhz: float
    """Boost clock."""
    shared_memory: int
    """Bytes a multiprocessor, over all its blocks."""
    threads: int
    """Resident threads a multiprocessor."""
    blocks: int
    """Resident blocks a multiprocessor."""
    registers: int = 65536
    """32-bit registers a multiprocessor."""
    widest: int = 256
    """Registers a thread can address; the allocation is capped there, what is above it is spilled."""
    lanes: int = 128
    """Threads whose instruction a multiprocessor issues in a clock."""

    def matrix_rate(self, dtype: DType, precision: str = "ieee") -> float:
        """Operations a second of a matrix product of this dtype on the whole chip.

        float32 is computed in three TF32 products of half the rate (`tf32x3`), or, as `ieee`, by ordinary
        multiply-adds, taken as a sixteenth of the bfloat16 rate (A100: 19.5 of 312, H100: 67 of 989).
        """
        if dtype is not DType.FLOAT32:
            return self.matrix_tflops * 1e12
        return self.matrix_tflops * 1e12 / (6.0 if precision == "tf32x3" else 16.0)


CHIPS = {
    "a100": Chip(312.0, 2039.0, 1410.0, 167_936, 2048, 32),
    "a10g": Chip(70.0, 600.0, 1710.0, 102_400, 1536, 16),
    "l40s": Chip(362.0, 864.0, 2520.0, 102_400, 1536, 24),
    "rtx4090": Chip(165.2, 1008.0, 2520.0, 102_400, 1536, 24),
    "h100": Chip(989.4, 3352.0, 1830.0, 233_472, 2048, 32),
    "h200": Chip(989.4, 4800.0, 1830.0, 233_472, 2048, 32),
    "b200": Chip(2250.0, 8000.0, 1965.0, 233_472, 2048, 32),
    "rtx5090": Chip(209.5, 1792.0, 2407.0, 102_400, 1536, 24),
    "mi300x": Chip(1307.4, 5300.0, 2100.0, 65_536, 2048, 32, 131_072, 512, 64),
}


def chip_of(gpu: Gpu) -> Chip:
    """The rates of this GPU.

    Raises
    ------
    ValueError
        If they are not known.
    """
    if gpu.slug not in CHIPS:
        raise ValueError(
            f"gpu is {gpu.slug!r}, whose rates are not known; configs can be planned for {', '.join(CHIPS)}."
        )
    return CHIPS[gpu.slug]

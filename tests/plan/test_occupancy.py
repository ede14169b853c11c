"""Resident blocks, against what NVIDIA's occupancy rules give by hand."""

import pytest

from splashgen.compile import CompiledKernel
from splashgen.gpu import KNOWN_GPUS
from splashgen.plan.chips import CHIPS, chip_of
from splashgen.plan.occupancy import resident_blocks


@pytest.mark.parametrize(
    ("slug", "registers", "shared", "warps", "blocks"),
    [
        ("h100", 168, 41_000, 4, 3),  # 65536 / (168 · 128) = 3.05; 233472 / 42024 = 5.6
        ("h100", 255, 41_000, 4, 2),  # 255 are handed out as 256
        ("h100", 32, 100_000, 4, 2),  # shared memory decides
        ("h100", 16, 0, 1, 32),  # the most blocks there may be
        ("h100", 16, 0, 32, 2),  # 2048 threads
        ("rtx4090", 16, 0, 32, 1),  # 1536 threads
        ("mi300x", 512, 0, 4, 1),  # one wave a SIMD
        ("mi300x", 256, 0, 4, 2),
        ("a100", 255, 160_000, 8, 1),
    ],
)
def test_blocks(slug: str, registers: int, shared: int, warps: int, blocks: int) -> None:
    gpu = KNOWN_GPUS[slug]
    kernel = CompiledKernel("k", shared, registers, 0, warps)
    assert resident_blocks(kernel, gpu, chip_of(gpu)) == blocks


def test_tensor_memory_limits_blackwell() -> None:
    gpu = KNOWN_GPUS["b200"]
    assert resident_blocks(CompiledKernel("k", 0, 32, 0, 4, tensor_memory=256), gpu, chip_of(gpu)) == 2


def test_every_known_gpu_has_rates() -> None:
    assert CHIPS.keys() == KNOWN_GPUS.keys()


def test_an_unknown_chip_is_named() -> None:
    from dataclasses import replace

    with pytest.raises(ValueError, match=r"gpu is 'gtx1080'.*a100"):
        chip_of(replace(KNOWN_GPUS["a100"], slug="gtx1080"))

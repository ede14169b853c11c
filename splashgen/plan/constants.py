"""The constants of each architecture: fitted ones from `constants.json`, else those of the nearest kin."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from splashgen.gpu import Gpu
from splashgen.plan.model import Constants

__all__ = ["FILE", "START", "constants_for", "store_constants"]

FILE = Path(__file__).with_name("constants.json")
"""By architecture: the constants, and the sentence that says what they were fitted to."""

START = Constants(
    matrix=0.7,
    issue=0.7,
    transfer_clocks=1.0,
    chain_clocks=300.0,
    load_clocks=600.0,
    instruction_clocks=2.0,
    overlap=2.0,
    memory=0.85,
    launch_us=5.0,
)
"""Where a fit starts: orders of magnitude that hold for every GPU. Dense matrix kernels reach 70 % of the
data sheet, streams 85 %; device memory answers after 600 clocks, a product and a reduction after 300."""


def constants_for(gpu: Gpu) -> tuple[Constants, str]:
    """The constants for this GPU, and where they come from.

    An architecture that nothing was measured on takes the starting values: constants fitted to one chip are
    no better a guess for another maker's or generation's, whose kernels compile to other instructions.
    """
    known: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    if gpu.arch in known:
        return Constants(**known[gpu.arch]["constants"]), known[gpu.arch]["fitted_to"]
    return START, "general values, fitted to no chip of this architecture"


def store_constants(arch: str, constants: Constants, fitted_to: str) -> None:
    """Keep the constants of an architecture in `FILE`."""
    known: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    rounded = {name: float(f"{value:.4g}") for name, value in asdict(constants).items()}
    known[arch] = {"fitted_to": fitted_to, "constants": rounded}
    FILE.write_text(json.dumps(known, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")

"""A family for the CPU whose configs go wrong in every way that the tuner has to survive."""

from splashgen.config import Config
from splashgen.families import Family
from splashgen.problem import Operation
from splashgen.space import Constraint, Space

_SPACE = Space(
    "aaa_faulty",
    {
        "fault": ("none", "wrong", "hang", "abort", "unwritten", "raise", "big"),
        "delay_ms": (1, 2, 4, 8),
        "comment": (0, 1),
    },
    (
        Constraint("It is too big.", lambda problem, gpu, config: config["fault"] != "big"),
        # One point a fault: the healthy ones are what is searched.
        Constraint(
            "Faulty ones are as slow as any.",
            lambda problem, gpu, config: (
                config["fault"] == "none" or (config["delay_ms"], config["comment"]) == (1, 0)
            ),
        ),
    ),
)

FAMILY = Family(
    name="aaa_faulty",
    operation=Operation.ENTMAX,
    backends=("cpu",),
    template="aaa_faulty.py.j2",
    space=_SPACE,
    default=lambda problem, gpu: Config.of("aaa_faulty", {"fault": "none", "delay_ms": 4, "comment": 0}),
)

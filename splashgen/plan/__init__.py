"""Configs for chips that are not here: compiled, checked against their limits, ranked by a cost model."""

from splashgen.plan.compiled import Compiled
from splashgen.plan.planner import Plan, Ranked, plan_problem

__all__ = ["Compiled", "Plan", "Ranked", "plan_problem"]

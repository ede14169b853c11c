"""(Problem, Config) → one file for somebody else's repository: the kernels with autograd around them."""

from splashgen.config import Config
from splashgen.problem import Problem
from splashgen.render import environment, render

__all__ = ["export"]


def export(problem: Problem, config: Config) -> str:
    """The text of a module that needs torch (and triton) alone.

    It defines `attention(q, k, v, scale=None)` or `entmax(x)`, with the features of the problem as keyword
    arguments, differentiable where the problem is a training one. The config decides the speed alone.

    Raises
    ------
    ValueError
        If the config is no member of its family's space.
    """
    rendered = render(problem, config)
    wrapper = environment().get_template(f"export/{problem.operation.value}.py.j2")
    return rendered.source + wrapper.render(p=problem.semantics(), c=config.as_dict(), alpha=problem.alpha)

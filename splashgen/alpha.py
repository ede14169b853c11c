"""α of α-entmax: which values are allowed, and which have a kernel specialised for them."""

import math
from enum import StrEnum
from fractions import Fraction

__all__ = ["LEAST_ALPHA", "AlphaClass", "check_alpha"]

LEAST_ALPHA = 1.0001
"""The smallest α that kernels take. P = y^p multiplies the rounding of y by p = 1/(α-1), here 10⁴: rows sum
to 1 within 5e-4, which float16 and bfloat16 do not notice. float32's own budget is kept from 1.005 on."""


class AlphaClass(StrEnum):
    """The α specialisations (Peters et al. 2019, eq. 8: P = max(z - τ, 0)^(1/(α-1)), z = (α-1)·s).

    Where the power p = 1/(α-1) is a small integer, P needs only multiplications; every other α is
    `GENERIC`: it is read at run time and goes through exp2 and log2.
    """

    TWO = "2"
    THREE_HALVES = "1.5"
    FOUR_THIRDS = "4/3"
    FIVE_QUARTERS = "1.25"
    SIX_FIFTHS = "1.2"
    GENERIC = "generic"

    @property
    def power(self) -> int | None:
        """p = 1/(α-1), or None for `GENERIC`."""
        return _POWERS.get(self)

    @property
    def alpha(self) -> float | None:
        """The value of α, or None for `GENERIC`."""
        power = self.power
        return None if power is None else 1.0 + 1.0 / power

    @classmethod
    def of(cls, alpha: float) -> "AlphaClass":
        """The specialisation that computes this α: the exact one where there is one, else `GENERIC`."""
        for member, power in _POWERS.items():
            if math.isclose(alpha, 1.0 + 1.0 / power, rel_tol=0.0, abs_tol=1e-9):
                return member
        return cls.GENERIC

    @classmethod
    def named(cls, text: str, name: str = "alpha") -> "AlphaClass":
        """What a text means: `generic`, or the specialisation of a number such as 1.5 or 4/3.

        A decimal is judged as `of` judges a float in a call: 1.3333333 is not 4/3, and 1.3333333333 is.

        Raises
        ------
        ValueError
            If it is neither, or not allowed.
        """
        if text == cls.GENERIC:
            return cls.GENERIC
        try:
            value = float(Fraction(text))
        except (ValueError, ZeroDivisionError, OverflowError):
            raise ValueError(
                f"{name} is {text!r}, but must be a number in [{LEAST_ALPHA:g}, 2] or generic; 4/3 is a "
                "number too."
            ) from None
        return cls.of(check_alpha(value, name=name))


_POWERS = {
    AlphaClass.TWO: 1,
    AlphaClass.THREE_HALVES: 2,
    AlphaClass.FOUR_THIRDS: 3,
    AlphaClass.FIVE_QUARTERS: 4,
    AlphaClass.SIX_FIFTHS: 5,
}


def check_alpha(alpha: float, least: float = LEAST_ALPHA, *, name: str = "alpha") -> float:
    """Return `alpha` as a float if it lies in [least, 2] and above 1.

    Parameters
    ----------
    alpha : float
    least : float
        The smallest that is allowed.
    name : str
        What the caller knows it as, for the sentences.

    Raises
    ------
    TypeError
        If `alpha` is not a number.
    ValueError
        If it is NaN, below `least`, at most 1 (softmax is the limit α → 1) or above 2.
    """
    allowed = f"[{least:g}, 2]" if least > 1.0 else "(1, 2]"
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)):
        raise TypeError(
            f"{name} must be a number in {allowed}, but is {alpha!r} of type {type(alpha).__name__}."
        )
    value = float(alpha)
    if value == 1.0:
        raise ValueError(
            f"{name} is 1, which is softmax and has no exact zeros; call "
            "torch.nn.functional.scaled_dot_product_attention (SDPA) or torch.softmax for it, "
            f"or choose an alpha in {allowed}."
        )
    if 1.0 < value < least:
        raise ValueError(
            f"{name} is {alpha!r}, but must be at least {least:g}: nearer to 1, the power 1/(alpha-1) "
            "multiplies float32's rounding until rows no longer sum to 1, and entmax is nearly softmax; "
            "call torch.nn.functional.scaled_dot_product_attention (SDPA) or torch.softmax for that."
        )
    if not 1.0 < value <= 2.0:  # also true for NaN
        raise ValueError(
            f"{name} is {alpha!r}, but must lie in {allowed}: 1.5 is the usual choice, 2 is sparsemax."
        )
    return value

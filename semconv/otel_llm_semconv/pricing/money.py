"""Exact arithmetic with USD, in integers: what a call costs in picodollars, what a unit costs in yoctodollars.

The host app's decimal context, whatever it rounds or raises, counts for nothing: what is decimal has its own.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from typing import Final

#: All of it is spelled out: what is left out would come from a default that the host can change.
CONTEXT: Final = Context(
    prec=60, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, capitals=1, clamp=0, flags=[], traps=[]
)
#: What one call may cost at most: the money of a row, DECIMAL(18,12), ends below a million.
USD_MAX: Final = 999_999
_PLACES: Final = 24  # of a rate: twice those of an amount, more than any price list has
_YOCTO_PER_PICO: Final = 10**12
_HALF: Final = _YOCTO_PER_PICO // 2


def per_unit(price: Decimal, units: int) -> int:
    """The price of one of so many units, in yoctodollars (1e-24 USD)."""
    return int(CONTEXT.to_integral_value(CONTEXT.scaleb(CONTEXT.divide(price, Decimal(units)), _PLACES)))


def share(rate: int, factor: Decimal) -> int:
    """A rate in yoctodollars times a factor."""
    return int(CONTEXT.to_integral_value(CONTEXT.multiply(Decimal(rate), factor)))


def cost(rate: int, units: int) -> int:
    """So many units at a rate in yoctodollars, rounded half-even to whole picodollars."""
    whole, rest = divmod(rate * units, _YOCTO_PER_PICO)
    if rest:
        whole += rest > _HALF or (rest == _HALF and whole & 1)
    return whole


def dollars(pico: int) -> Decimal:
    """Picodollars as USD, with 12 decimal places."""
    return CONTEXT.scaleb(Decimal(pico), -12)

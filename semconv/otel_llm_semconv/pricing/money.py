"""Exact arithmetic with USD. The host app's own decimal context, whatever it rounds or raises, counts for nothing."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from typing import Final

#: All of it is spelled out: what is left out would come from a default that the host can change.
CONTEXT: Final = Context(
    prec=60, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, capitals=1, clamp=0, flags=[], traps=[]
)
_PICO: Final = Decimal("1e-12")
_ZERO: Final = Decimal(0)


def per_unit(price: Decimal, units: int) -> Decimal:
    """The price of one of so many units."""
    return CONTEXT.divide(price, Decimal(units))


def cost(rate: Decimal, units: int) -> Decimal:
    """So many units at a rate, rounded half-even to 12 decimal places."""
    return CONTEXT.quantize(CONTEXT.multiply(rate, Decimal(units)), _PICO)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    return functools.reduce(CONTEXT.add, amounts, _ZERO)

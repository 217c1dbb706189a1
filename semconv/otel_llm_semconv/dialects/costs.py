"""What an emitter says that a call cost, where it tells parts of it and no total."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from ..pricing.money import CONTEXT
from .dialect import Completion, Reading, Source, Span
from .values import value_of


def summed_cost(*sources: Source) -> Completion:
    """Completes a reading by the sum of costs that are told apart."""

    def complete(span: Span, reading: Reading) -> None:
        add_up(reading, [value_of(source, span.attributes) for source in sources])

    return complete


def add_up(reading: Reading, told: list[Any]) -> None:
    """Put the sum of what is told into a reading that has no total."""
    if "emitted_cost_usd" in reading.columns:
        return
    known = [amount for one in told if (amount := _amount(one)) is not None]
    if known:
        total = Decimal(0)
        for amount in known:
            total = CONTEXT.add(total, amount)
        reading.columns["emitted_cost_usd"] = str(total)


def _amount(value: Any) -> Decimal | None:
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None

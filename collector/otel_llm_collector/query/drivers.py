"""Why a sum of money has changed: by how much through volume, model mix, tokens a call and price a token.

The parts are those of the logarithmic mean Divisia index (LMDI-I; Ang, "The LMDI approach to decomposition analysis",
Energy Policy 33, 2005): they add up to the change and do not depend on the order in which one looks at the factors.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

#: What stands for a factor that is zero (same paper): its part tends to the whole change.
_NEARLY_NOTHING: Final = 1e-100
_PLACES: Final = Decimal("1e-6")


@dataclass(frozen=True, slots=True)
class Cell:
    """What the priced calls of one model add up to in one time."""

    calls: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Drivers:
    """The parts of a change in USD; they add up to it."""

    volume_usd: Decimal
    mix_usd: Decimal
    tokens_usd: Decimal
    price_usd: Decimal


def drivers(before: Mapping[Hashable, Cell], now: Mapping[Hashable, Cell]) -> Drivers:
    """What drove the change from one time to the other; both map models to what their calls added up to.

    volume: more or fewer calls. mix: dearer or cheaper models of them; a model that is new or gone is mix. tokens:
    longer or shorter calls of the same model. price: another price a token, be it a new price, fewer cached tokens or
    more output. Where there were no calls before, or are none now, all is volume. Rounded to micro-dollars, the largest
    part takes what rounding leaves.
    """
    change = _cost(now) - _cost(before)
    volumes = _calls(before), _calls(now)
    if not all(volumes):
        return Drivers(change, Decimal(0), Decimal(0), Decimal(0))
    parts = [0.0, 0.0, 0.0, 0.0]
    for model in before.keys() | now.keys():
        found = _parts(before.get(model, Cell()), now.get(model, Cell()), volumes)
        parts = [part + more for part, more in zip(parts, found, strict=True)]
    rounded = [Decimal(part).quantize(_PLACES) for part in parts]
    largest = max(range(4), key=lambda place: abs(rounded[place]))
    rounded[largest] += change - sum(rounded, Decimal(0))
    return Drivers(*rounded)


def _parts(before: Cell, now: Cell, volumes: tuple[int, int]) -> tuple[float, float, float, float]:
    """Volume, mix, tokens and price of one model."""
    costs = float(before.cost_usd) or _NEARLY_NOTHING, float(now.cost_usd) or _NEARLY_NOTHING
    weight = _logarithmic_mean(*costs)
    volume = math.log(volumes[1] / volumes[0])
    whole = math.log(costs[1] / costs[0])
    if not (before.calls and now.calls):
        return weight * volume, weight * (whole - volume), 0.0, 0.0
    mix = math.log((now.calls / volumes[1]) / (before.calls / volumes[0]))
    tokens = (
        math.log((now.tokens / now.calls) / (before.tokens / before.calls)) if now.tokens and before.tokens else 0.0
    )
    return weight * volume, weight * mix, weight * tokens, weight * (whole - volume - mix - tokens)


def _logarithmic_mean(one: float, other: float) -> float:
    """The mean that turns a ratio's logarithm into a difference; both are positive."""
    return one if math.isclose(one, other, rel_tol=1e-12) else (other - one) / math.log(other / one)


def _cost(cells: Mapping[Hashable, Cell]) -> Decimal:
    return sum((cell.cost_usd for cell in cells.values()), Decimal(0))


def _calls(cells: Mapping[Hashable, Cell]) -> int:
    return sum(cell.calls for cell in cells.values())

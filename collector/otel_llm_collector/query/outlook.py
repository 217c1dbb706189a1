"""How a daily series may go on: its sum over some days to come, with an interval.

Multiplicative exponential smoothing of the level with factors of the weekdays, ETS(M,N,M) of Hyndman et al.,
"Forecasting with Exponential Smoothing" (2008). The interval is made of the errors that the series has shown itself,
drawn again and again: an error of one day moves the level of all days after it, so uncertainty grows with the horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

#: Days that a forecast looks back on at most: eight weeks.
DAYS_MAX: Final = 56
DAYS_MIN: Final = 7
_WEEK: Final = 7
#: Weekdays have factors of their own from so many days on: each was seen twice.
_SEASONAL_DAYS_MIN: Final = 14
_DRAWN: Final = 0.1
_SMOOTHING: Final = tuple(step / 20 for step in range(1, 17))
_DRAWS: Final = 4000
#: The errors of a short series are smaller than those to come: it was fitted to them.
_FITTED: Final = 3
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outlook:
    """A sum to come: its middle, and between what it lies nine times out of ten."""

    middle: float
    low: float
    high: float


def outlook(series: Sequence[float], days: int, *, first_weekday: int = 0) -> Outlook:
    """The sum of the `days` after a series of daily values, none of them negative, whose first has that weekday.

    The same series always has the same outlook. Raises ValueError for a series of fewer than `DAYS_MIN` values.
    """
    if len(series) < DAYS_MIN:
        raise ValueError(f"a forecast needs {DAYS_MIN} days, there are {len(series)}")
    values = np.asarray(series[-DAYS_MAX:], np.float64)
    weekday = (first_weekday + len(series) - len(values) + np.arange(len(values) + days)) % _WEEK
    factors = _weekday_factors(values, weekday[: len(values)])
    level_only = values / factors[weekday[: len(values)]]
    smoothing = min(_SMOOTHING, key=lambda alpha: _loss(_errors(level_only, alpha)[0]))
    errors, level = _errors(level_only, smoothing)
    if level <= 0:
        return Outlook(0.0, 0.0, 0.0)
    sums = _sums(level, errors, smoothing, factors[weekday[len(values) :]])
    low, middle, high = np.quantile(sums, [0.05, 0.5, 0.95])
    return Outlook(float(middle), float(low), float(high))


def _weekday_factors(values: Floats, weekday: npt.NDArray[np.int64]) -> Floats:
    """What a day of the week is to the mean one; the mean of all seven is 1."""
    factors = np.ones(_WEEK)
    if len(values) < _SEASONAL_DAYS_MIN or values.sum() <= 0:
        return factors
    # Weeks are compared within themselves, so that growth is not taken for a weekday's.
    whole = len(values) // _WEEK * _WEEK
    weeks = values[-whole:].reshape(-1, _WEEK)
    means = weeks.mean(axis=1, keepdims=True)
    ratios = np.divide(weeks, means, out=np.ones_like(weeks), where=means > 0)
    # Few weeks say little of a weekday: its factor is drawn towards 1 a little.
    factors[weekday[-whole:][:_WEEK]] = (ratios.sum(axis=0) + _DRAWN) / (len(weeks) + _DRAWN)
    scaled: Floats = np.maximum(factors / factors.mean(), 0.01)
    return scaled


def _errors(values: Floats, smoothing: float) -> tuple[Floats, float]:
    """The relative error of each day's level as seen the day before, and the level after the last."""
    level = float(values[:_WEEK].mean())
    errors = np.zeros(len(values))
    for place, value in enumerate(values):
        errors[place] = value / level - 1 if level > 0 else 0.0
        level += smoothing * (value - level)
    return errors, level


def _loss(errors: Floats) -> float:
    """Large errors count no more than threefold the middle one, so that one odd day does not choose the smoothing."""
    size = np.abs(errors)
    return float(np.minimum(size, 3 * np.median(size) + 1e-12).sum())


def _sums(level: float, errors: Floats, smoothing: float, factors: Floats) -> Floats:
    """Sums of the days to come, drawn from errors that were seen."""
    random = np.random.default_rng(len(errors))
    spread = np.sqrt(len(errors) / max(len(errors) - _FITTED, 1))
    drawn = random.choice(errors, (_DRAWS, len(factors))) * spread
    levels = np.full(_DRAWS, level)
    sums = np.zeros(_DRAWS)
    for day, factor in enumerate(factors):
        value = levels * np.maximum(1 + drawn[:, day], 0)
        sums += value * factor
        levels += smoothing * (value - levels)
    return sums

"""What a rule can measure: one row a metric. `each` is the value of one call, which is aggregated; else `whole` is SQL
over all calls of a window. Every expression reads columns of `llm_calls`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ..render import significant

#: More is no count of one call, but a fault of the sender's: the sums of the views leave it out, too.
_TOKENS_MAX: Final = "1e12"


def _sane(column: str) -> str:
    return f"CASE WHEN {column} < {_TOKENS_MAX} THEN {column} END"


_TOKENS: Final = (
    "CASE WHEN input_tokens IS NOT NULL OR output_tokens IS NOT NULL "
    f"THEN coalesce({_sane('input_tokens')}, 0) + coalesce({_sane('output_tokens')}, 0) END"
)
_LATENCY: Final = "duration_ms"
_FIRST_CHUNK: Final = "CASE WHEN time_to_first_chunk_ns >= 0 THEN time_to_first_chunk_ms END"
_CACHED: Final = f"sum({_sane('cache_read_tokens')}) / nullif(sum({_sane('input_tokens')}), 0)"
_PERCENTILE: Final = re.compile(r"p(\d{1,2})")
#: The unit of a part of all: 0 to 1 in rules and data, percent for people.
SHARE: Final = "share"


class Metric(NamedTuple):
    """One row. `aggregation` is the default one, '' where the metric says itself how; `volume` counts what it is of."""

    unit: str
    aggregation: str
    each: str
    whole: str
    volume: str
    doc: str


def _each(unit: str, aggregation: str, sql: str, doc: str) -> Metric:
    return Metric(unit, aggregation, sql, "", f"count({sql})", doc)


def _whole(unit: str, sql: str, volume: str, doc: str) -> Metric:
    return Metric(unit, "", "", sql, volume, doc)


METRICS: Final[dict[str, Metric]] = {
    "cache_hit_rate": _whole(
        SHARE, _CACHED, "count(input_tokens)", "Share of the input that was read from a provider's cache, 0 to 1"
    ),
    "cache_read_tokens": _each("tokens", "sum", _sane("cache_read_tokens"), "Input read from a cache"),
    "cache_write_tokens": _each("tokens", "sum", _sane("cache_write_tokens"), "Input written to a cache"),
    "calls": _whole("calls", "count(ended)", "count(ended)", "How many calls ended"),
    "cost": _each("USD", "sum", "cost_usd", "What calls cost; those without a price are left out"),
    "error_rate": _whole(
        SHARE,
        "count(*) FILTER (WHERE status = 'ERROR') / nullif(count(ended), 0)",
        "count(ended)",
        "Share of calls that failed, 0 to 1",
    ),
    "input_tokens": _each("tokens", "sum", _sane("input_tokens"), "Input, cache included"),
    "latency": _each("ms", "p95", _LATENCY, "How long calls took"),
    "output_tokens": _each("tokens", "sum", _sane("output_tokens"), "Output, reasoning included"),
    "reasoning_tokens": _each("tokens", "sum", _sane("reasoning_tokens"), "Output spent on reasoning"),
    "score": _each("", "avg", "score_value", "Scores given in the window, of the name in `score`"),
    "time_to_first_chunk": _each("ms", "p95", _FIRST_CHUNK, "From the request to the first streamed chunk"),
    "tokens": _each("tokens", "sum", _TOKENS, "Input and output together"),
    "tokens_per_call": _whole(
        "tokens", f"avg({_TOKENS})", f"count({_TOKENS})", "Input and output of a call, on average"
    ),
}
AGGREGATIONS: Final = ("sum", "avg", "min", "max", "p50", "p90", "p95", "p99")


def amount(unit: str, value: float) -> str:
    """A value in a table for people, rounded as its unit asks: money to the cent, counts and milliseconds whole."""
    if unit == SHARE:
        return f"{significant(value * 100, 3)} %"
    whole_from, places = (1, 2) if unit == "USD" else (100, 0)
    rounded = round(value, places) if abs(value) >= whole_from else value
    return f"{significant(rounded, 15 if rounded is not value else 3)} {unit}".strip()


def value_sql(metric: Metric, aggregation: str) -> str:
    """The SQL of a metric over the calls of a window. `aggregation` is one of AGGREGATIONS, or any pNN; '' the usual.

    Raises ValueError for one that it does not have.
    """
    if metric.whole:
        if aggregation:
            raise ValueError("this metric has no aggregation: leave it out")
        return metric.whole
    how = aggregation or metric.aggregation
    if found := _PERCENTILE.fullmatch(how):
        return f"quantile_cont({metric.each}, 0.{found[1]:0>2})"
    if how not in AGGREGATIONS:
        raise ValueError(f"give one of {', '.join(AGGREGATIONS)}, or another pNN")
    return f"{how}({metric.each})"

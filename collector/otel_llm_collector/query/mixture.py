"""The SQL of a question whose answer is put together from calls and from cells of a roll-up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ..rollup.cubes import TABLE, Cube
from .buckets import COUNTS, TIMED_SUMS, middle_ms, timed_calls
from .opening import NO_PRICE, fill, part_sums, question, sum_names
from .plan import Plan

#: Column of the answer -> what is counted, its quantile, and the digits of the answer.
_PERCENTILES: Final = {
    **{f"p{quantile}_ms": ("duration", quantile / 100, 3) for quantile in (50, 90, 95, 99)},
    **{f"first_chunk_p{quantile}_ms": ("first_chunk", quantile / 100, 3) for quantile in (50, 95, 99)},
    "tokens_per_s": ("pace", 0.5, 1),
}
_Chosen = Callable[..., str]


def places_of(name: str, sources: Plan, names: str, chosen_calls: _Chosen) -> dict[str, str]:
    """What stands in the places of `queries/<name>.sql` for these sources; `chosen_calls` is asked for each."""
    is_timed = name != "cost"
    found = []
    if sources.calls or sources.cube is None:
        calls, sums = (timed_calls(), TIMED_SUMS) if is_timed else ("llm_calls", part_sums())
        found.append({"chosen_calls": chosen_calls(calls), "sums": sums, "grouped": "GROUP BY ALL"})
    if sources.cube is not None:
        sums = ", ".join(COUNTS if is_timed else sum_names())  # cells are few already
        found.append(
            {"chosen_calls": chosen_calls(_relation(sources.cube), is_whole=True), "sums": sums, "grouped": ""}
        )
    part = question("latency_parts" if is_timed else "cost_parts")
    return {
        "parts": "UNION ALL BY NAME\n".join(fill(part, names=names, no_price=NO_PRICE, **one) for one in found),
        "sums": TIMED_SUMS,
        "middle": middle_ms("bucket"),
        "percentiles": ",\n".join(_percentiles()),
    }


def _relation(cube: Cube) -> str:
    """The cells of a cube in the place of `llm_calls`."""
    own_date = "CAST(start_time AT TIME ZONE 'UTC' AS DATE) AS date"
    return f"(SELECT * EXCLUDE (date), {own_date} FROM {TABLE} WHERE cube = '{cube.name}')"  # noqa: S608 (ours alone)


def _percentiles() -> Iterator[str]:
    for name, (time, quantile, digits) in _PERCENTILES.items():
        # an exponent makes it a DOUBLE: sums are wide, and slow as decimals
        yield fill(question("percentile"), name=name, time=time, quantile=f"{quantile}e0", digits=str(digits))

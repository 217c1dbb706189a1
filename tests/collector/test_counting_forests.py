"""Whatever is told of calls, by whom and in which order: as many rows are counted as calls were made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig.forest import Forest, forests
from rig.told import Told, rows

from otel_llm.failures import raise_faults
from otel_llm_collector.counting.recent import RecentCalls
from otel_llm_collector.counting.recount import pricer
from otel_llm_collector.counting.settle import apply
from otel_llm_semconv.pricing.contracts import Contracts


@pytest.fixture(autouse=True, scope="module")
def _faults_are_raised() -> Iterator[None]:
    raise_faults(on=True)
    yield
    raise_faults(on=False)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(forests(), st.data())
def test_as_many_rows_are_counted_as_calls_were_made(forest: Forest, data: st.DataObject) -> None:
    told = data.draw(st.permutations(forest.told))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(told)), max_size=5)))
    batches = [told[first:last] for first, last in zip([0, *cuts], [*cuts, len(told)], strict=True) if first < last]
    restarts = data.draw(st.sets(st.integers(0, len(batches)), max_size=2))
    assert sums(delivered(batches, restarts)) == true_sums(forest)


def sums(settled: pa.Table) -> tuple[int, int, int]:
    """How many rows are counted, and their tokens; each has a price."""
    counted = settled.filter(settled["is_llm_call"])
    assert counted["cost_usd"].null_count == 0
    return counted.num_rows, *(sum(counted[name].to_pylist()) for name in ("input_tokens", "output_tokens"))


def true_sums(forest: Forest) -> tuple[int, int, int]:
    return len(forest.calls), *(sum(call[side] for call in forest.calls) for side in (0, 1))


def delivered(batches: Sequence[Sequence[Told]], restarts: set[int] = frozenset()) -> pa.Table:  # type: ignore[assignment]
    """The rows as they stand in the lake in the end; before some batches the converter is started anew."""
    price, lake = pricer(Contracts()), list[pa.Table]()
    recent = RecentCalls(lambda: reversed(lake))
    for number, batch in enumerate(batches):
        if number in restarts:
            recent = RecentCalls(lambda: reversed(lake))
        lake.append(recent.settle(rows(batch)))
        changed = {row_id: change.why for row_id, change in recent.overdue.items()}
        lake[:] = [apply(stored, changed, price) for stored in lake]
        recent.overdue.clear()
    return pa.concat_tables(lake)

"""Token counts as they are reported: whole, absent, or impossible and kept as such."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_llm_semconv import usage as u


@pytest.mark.parametrize(
    ("value", "count"),
    [(0, 0), (7, 7), (7.0, 7), (-1, -1), (1.5, None), (True, None), ("7", None), (None, None), (1 << 63, None)],
)
def test_a_count_is_a_whole_number_or_absent(value: Any, count: int | None) -> None:
    assert u.count(value) == count


def test_a_negative_count_of_a_span_is_kept_and_inconsistent() -> None:
    usage = u.from_attributes({**u.to_attributes(u.Usage(5, 5)), u.ATTRIBUTE_OF["output_tokens"]: -5})
    assert (usage.input_tokens, usage.output_tokens, usage.is_consistent()) == (5, -5, False)


def test_an_inclusive_count_is_absent_with_its_base_or_where_it_cannot_be_written() -> None:
    assert u.inclusive_input(None, 1, 1) is None
    assert u.inclusive_input(1, None, 2) == 3
    assert u.inclusive_input((1 << 63) - 1, 1, 0) is None


@given(st.builds(u.Usage, *(st.none() | st.integers(-(1 << 63), (1 << 63) - 1) for _ in u.FIELDS)))
def test_attributes_keep_what_is_known_and_nothing_else(usage: u.Usage) -> None:
    attributes = u.to_attributes(usage)
    assert len(attributes) == sum(getattr(usage, name) is not None for name in u.FIELDS)
    assert u.from_attributes(attributes) == usage

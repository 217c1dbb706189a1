"""What the peers send, and what has to stand in the tables for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from rig import otlp

CALLS: Final = 20
#: 500 tokens in, 300 out of gpt-4o-mini.
CALL_USD: Final = "0.000255000000"
MODEL: Final = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": 500,
    "gen_ai.usage.output_tokens": 300,
}


def calls_of(data: Path, service: str) -> list[dict[str, Any]]:
    """The counted calls of a service."""
    query = f"FROM t WHERE service_name = '{service}' AND is_llm_call ORDER BY start_time_ns"
    return otlp.rows(data, query)


def assert_calls(data: Path, service: str, count: int) -> list[dict[str, Any]]:
    """So many calls, each once and priced."""
    rows = calls_of(data, service)
    assert len(rows) == len({row["span_id"] for row in rows}) == count
    assert {str(row["cost_usd"]) for row in rows} == {CALL_USD}
    assert {row["input_tokens"] for row in rows} == {500}
    return rows

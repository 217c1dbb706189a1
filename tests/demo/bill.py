"""What a run must have cost: from the stand-in's own log and rates written by hand, nothing of the code under test."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

MTOK = Decimal(1_000_000)


class Rates(NamedTuple):
    """USD a million tokens, from the providers' price pages."""

    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal = Decimal(0)
    cache_write_1h: Decimal = Decimal(0)


def rates(*numbers: str) -> Rates:
    return Rates(*map(Decimal, numbers))


RATES = {
    "gpt-4o-mini-2024-07-18": rates("0.15", "0.60", "0.075"),
    "gpt-5-mini-2025-08-07": rates("0.25", "2.00", "0.025"),
    "o4-mini-2025-04-16": rates("1.10", "4.40", "0.275"),
    "claude-sonnet-4-6": rates("3.00", "15.00", "0.30", "3.75", "6.00"),
    "claude-haiku-4-5-20251001": rates("1.00", "5.00", "0.10", "1.25", "2.00"),
}


def read_calls(data: Path) -> list[dict[str, Any]]:
    """Every line of the stand-in's log."""
    return [json.loads(line) for line in (data / "demo" / "calls.jsonl").read_text().splitlines()]


def cost_of(call: dict[str, Any]) -> Decimal:
    """The cost of a logged call in USD, exact."""
    rate, usage = RATES[call["model"]], call["usage"]
    count = _openai if call["provider"] == "openai" else _anthropic
    return sum((tokens * per_mtok for tokens, per_mtok in zip(count(usage), rate, strict=True)), Decimal(0)) / MTOK


def _openai(usage: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """prompt_tokens includes what was cached; completion_tokens includes reasoning, which costs the same."""
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    return usage["prompt_tokens"] - cached, usage["completion_tokens"], cached, 0, 0


def _anthropic(usage: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """input_tokens excludes the cache."""
    written = usage["cache_creation"]
    return (
        usage["input_tokens"],
        usage["output_tokens"],
        usage["cache_read_input_tokens"],
        written["ephemeral_5m_input_tokens"],
        written["ephemeral_1h_input_tokens"],
    )

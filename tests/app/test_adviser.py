"""A call of Anthropic's that another model advised: what its span says, and what it costs."""

from __future__ import annotations

from typing import Any

import httpx2
from app.recording import Recorded

from otel_llm_semconv import attributes as a

OPUS = "claude-opus-4-5"


def ask(recorded: Recorded, *advice: dict[str, Any]) -> dict[str, Any]:
    """The attributes of the one call, which was advised so."""
    iterations = [{"type": "advisor_message", **turn} for turn in advice]
    usage = {"input_tokens": 100, "output_tokens": 10, "iterations": iterations}
    body = {"id": "msg_1", "type": "message", "model": "claude-haiku-4-5", "usage": usage, "content": []}
    answering = httpx2.MockTransport(lambda _: httpx2.Response(200, json=body))
    request = {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": [{"role": "user", "content": "hello"}]}
    with httpx2.Client(transport=answering) as client:
        client.post("https://api.anthropic.com/v1/messages", json=request)
    return recorded.attributes()


def test_advice_costs_by_the_model_that_gave_it(recorded: Recorded) -> None:
    turn = {"input_tokens": 500, "output_tokens": 100, "cache_read_input_tokens": 0, "model": OPUS}
    found = ask(recorded, turn, turn)
    assert (found[a.USAGE_INPUT_TOKENS], found[a.USAGE_OUTPUT_TOKENS]) == (100, 10)
    told = (a.USAGE_ADVISOR_INPUT_TOKENS, a.USAGE_ADVISOR_OUTPUT_TOKENS, a.USAGE_ADVISOR_MODEL)
    assert [found[name] for name in told] == [1000, 200, OPUS]
    # USD a million: claude-haiku-4-5 1 and 5, claude-opus-4-5 5 and 25
    assert found[a.COST_AMOUNT] == (100 * 1 + 10 * 5 + 1000 * 5 + 200 * 25) / 1e6
    assert found[a.COST_STATUS] == "exact"


def test_advice_of_nobody_who_is_named_leaves_no_cost(recorded: Recorded) -> None:
    found = ask(recorded, {"input_tokens": 500, "output_tokens": 100})
    assert found[a.USAGE_UNPRICED_UNITS] == 600
    assert a.COST_AMOUNT not in found
    assert found[a.COST_STATUS] == "unknown_model"

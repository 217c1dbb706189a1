"""How long a provider says that it took stands on the span: what is left of the call is the way there and back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from app.rawserver import Connection, RawServer
from app.recording import Recorded
from openai import OpenAI

from otel_llm_semconv import attributes as a

CHAT: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
ANSWER = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": []}


def timed(recorded: Recorded, url: str, body: Any, headers: dict[str, str]) -> Any:
    """What the span of a call says of the provider's time, answered with these headers and no body to speak of."""
    transport = httpx.MockTransport(lambda request: httpx.Response(200, headers=headers, json=ANSWER))
    with httpx.Client(transport=transport) as client:
        client.post(url, json=body)
    [span] = recorded.spans()
    return dict(span.attributes or {}).get(a.PROVIDER_TIME)


@pytest.mark.parametrize(
    ("url", "header", "written"),
    [
        ("https://api.openai.com/v1/chat/completions", "openai-processing-ms", "245"),
        ("https://api.openai.com/v1/responses", "openai-processing-ms", "245"),
        ("https://api.anthropic.com/v1/messages", "x-envoy-upstream-service-time", "245"),
        (
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
            "server-timing",
            "gfet4t7; dur=245",
        ),
    ],
)
def test_each_provider_has_its_header(recorded: Recorded, url: str, header: str, written: str) -> None:
    assert timed(recorded, url, CHAT, {header: written}) == 0.245


@pytest.mark.parametrize("written", ["", "soon", "-5", "1e3", "9" * 30, "dur=", "245ms"])
def test_what_is_no_time_says_nothing(recorded: Recorded, written: str) -> None:
    url = "https://api.openai.com/v1/chat/completions"
    assert timed(recorded, url, CHAT, {"openai-processing-ms": written}) is None


def test_of_several_attempts_the_last_one_tells(recorded: Recorded) -> None:
    asked: list[str] = []

    def reply(connection: Connection) -> None:
        asked.append("")
        if len(asked) == 1:
            connection.json({"error": {"message": "busy"}}, 500, openai_processing_ms="9000", retry_after_ms="1")
        else:
            connection.json(ANSWER, openai_processing_ms="120.5")

    with RawServer(reply) as server, OpenAI(api_key="k", base_url=server.url) as client:
        client.chat.completions.create(**CHAT)
    found = recorded.attributes()
    assert (found[a.ATTEMPTS], found[a.PROVIDER_TIME]) == (2, 0.1205)

"""LiteLLM, which calls OpenAI by its SDK and others over an HTTP client of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import litellm
import pytest
from app.recording import Recorded
from sdks.agreement import one_call, one_failure

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("litellm")
HELLO: Any = [{"role": "user", "content": "hello"}]
STREAM: Any = {"stream": True, "stream_options": {"include_usage": True}}
BACKENDS = ("openai", "anthropic")


def asking(backend: str, standin: Standin) -> dict[str, Any]:
    """Model, base URL and the rest of a call to a backend."""
    model, url = {
        "openai": ("openai/gpt-4o-mini", standin.openai_url),
        "anthropic": ("anthropic/claude-haiku-4-5", standin.anthropic_url),
    }[backend]
    return {"model": model, "api_base": url, "api_key": "k", "messages": HELLO, "max_retries": 0}


@pytest.mark.parametrize("backend", [pytest.param(b, marks=pytest.mark.feature(f"{b} completion")) for b in BACKENDS])
def test_a_completion(recorded: Recorded, standin: Standin, backend: str) -> None:
    assert litellm.completion(**asking(backend, standin)).choices
    one_call(recorded, standin, operation="chat", provider=backend)


@pytest.mark.parametrize("backend", [pytest.param(b, marks=pytest.mark.feature(f"{b} stream")) for b in BACKENDS])
def test_a_stream(recorded: Recorded, standin: Standin, backend: str) -> None:
    assert len(list(litellm.completion(**asking(backend, standin), **STREAM))) > 3
    one_call(recorded, standin, operation="chat", provider=backend)


@pytest.mark.parametrize("backend", [pytest.param(b, marks=pytest.mark.feature(f"{b} acompletion")) for b in BACKENDS])
@pytest.mark.parametrize("stream", [False, True])
def test_async(recorded: Recorded, standin: Standin, backend: str, stream: bool) -> None:
    async def ask() -> Any:
        answer: Any = await litellm.acompletion(**asking(backend, standin), **(STREAM if stream else {}))
        return [chunk async for chunk in answer] if stream else answer

    assert asyncio.run(ask())
    one_call(recorded, standin, operation="chat", provider=backend)


@pytest.mark.feature("embedding")
def test_embeddings(recorded: Recorded, standin: Standin) -> None:
    asked = asking("openai", standin) | {"model": "openai/text-embedding-3-small", "input": ["one"]}
    del asked["messages"]
    assert litellm.embedding(**asked).data
    one_call(recorded, standin, operation="embeddings", provider="openai")


@pytest.mark.feature("errors")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("status", [429, 500])
def test_a_refusal(recorded: Recorded, standin: Standin, backend: str, status: int) -> None:
    asked = asking(backend, standin) | {"model": f"{backend}/standin-{status}"}
    with pytest.raises(Exception, match="litellm"):
        litellm.completion(**asked)
    found = one_failure(recorded, standin, status=status, provider=backend)
    assert found[a.OPERATION] == "chat"

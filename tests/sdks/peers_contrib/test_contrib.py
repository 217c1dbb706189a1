"""The contrib repository's instrumentor of OpenAI, which its successor (genai) replaces: each call is counted once."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from app.recording import Recorded
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from sdks.peering import saw

from otel_llm_collector.demo.standin import Standin

pytestmark = pytest.mark.sdk("opentelemetry-instrumentation-openai-v2")


@pytest.mark.feature("openai")
@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("stream", [False, True])
def test_openai(order: str, stream: bool) -> None:
    def switch(recorded: Recorded) -> None:
        OpenAIInstrumentor().instrument(tracer_provider=recorded.provider)

    def ask(standin: Standin) -> None:
        with openai.OpenAI(api_key="k", base_url=standin.openai_url, max_retries=0) as client:
            asked: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
            messages: Any = [{"role": "user", "content": "hello"}]
            assert list(client.chat.completions.create(model="gpt-4o-mini", messages=messages, **asked))

    assert saw(order, switch, ask)[0][0] == "opentelemetry.instrumentation.openai_v2"

"""OpenLIT, with the SDKs that it still goes with: each call is counted once, with the tokens that were sent."""

from __future__ import annotations

from typing import Any

import anthropic
import openai
import openlit
import pytest
from app.recording import Recorded
from sdks.peering import saw

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("openlit")
HELLO: Any = [{"role": "user", "content": "hello"}]
OTHERS = ["httpx", "requests", "urllib", "urllib3"]


def switch(recorded: Recorded) -> None:
    openlit.init(disable_metrics=True, disable_events=True, disabled_instrumentors=OTHERS)


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.feature("openai")
def test_openai(order: str, stream: bool) -> None:
    def ask(standin: Standin) -> None:
        with openai.OpenAI(api_key="k", base_url=standin.openai_url, max_retries=0) as client:
            asked: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
            assert list(client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **asked))

    assert saw(order, switch, ask)[0][0] == "openlit.instrumentation.openai"


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.feature("anthropic")
def test_anthropic(order: str, stream: bool) -> None:
    def ask(standin: Standin) -> None:
        with anthropic.Anthropic(api_key="k", base_url=standin.anthropic_url, max_retries=0) as client:
            asked: Any = {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": HELLO}
            assert list(client.messages.create(**asked, stream=stream))

    ((scope, attributes),) = saw(order, switch, ask)
    assert scope == a.SCOPE_APP
    assert attributes[a.CONTINUES]

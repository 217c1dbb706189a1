"""LiteLLM's otel callback, which tells of a call once it is over: an echo that is not counted."""

from __future__ import annotations

from typing import Any

import pytest
from app.recording import Recorded
from sdks.peering import saw

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("litellm")


def switch(recorded: Recorded) -> None:
    import litellm

    litellm.callbacks = ["otel"]


@pytest.mark.feature("otel callback")
@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("backend", ["openai", "anthropic"])
def test_the_callback(order: str, backend: str, stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "true")  # asks no server for prices

    def ask(standin: Standin) -> None:
        import litellm
        from litellm.litellm_core_utils.thread_pool_executor import executor

        model, url = {
            "openai": ("openai/gpt-4o-mini", standin.openai_url),
            "anthropic": ("anthropic/claude-haiku-4-5", standin.anthropic_url),
        }[backend]
        asked: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        messages = [{"role": "user", "content": "hello"}]
        answer: Any = litellm.completion(
            model=model, api_base=url, api_key="k", messages=messages, max_retries=0, **asked
        )
        assert list(answer)
        executor.shutdown(wait=True)  # it calls back from there

    assert saw(order, switch, ask)[0][0] == a.SCOPE_APP

"""Models of LangChain on the stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from opentelemetry import context as otel_context

from otel_llm.failures import counts
from otel_llm_collector.demo.standin import Standin


@pytest.fixture
def model(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> Iterator[BaseChatModel]:
    """OpenAI on loopback. Afterwards nothing is attached, and nothing of ours has failed."""
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    counts.clear()
    yield ChatOpenAI(model="gpt-4o-mini", base_url=standin.openai_url, api_key="k", stream_usage=True, max_retries=0)
    assert otel_context.get_current() == {}
    assert not counts

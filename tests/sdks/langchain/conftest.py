"""Models of LangChain on the stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from sdks.harmless import unharmed

from otel_llm_collector.demo.standin import Standin


@pytest.fixture
def model(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> Iterator[BaseChatModel]:
    """OpenAI on loopback."""
    monkeypatch.setenv("LANGSMITH_TRACING", "false")
    asked = {"base_url": standin.openai_url, "api_key": "k", "stream_usage": True, "max_retries": 0}
    with unharmed():
        yield ChatOpenAI(model="gpt-4o-mini", **asked)

"""A stand-in for one test, and both SDKs in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anthropic
import openai
import pytest

from otel_llm_collector.demo.standin import Standin


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Standin]:
    with Standin(log=tmp_path / "calls.jsonl") as running:
        yield running


@pytest.fixture
def gpt(standin: Standin) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=standin.openai_url, api_key="secret-key", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(standin: Standin) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=standin.url, api_key="secret-key", max_retries=0) as client:
        yield client

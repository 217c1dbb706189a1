"""Every test here instruments a provider of its own, and faults inside otel-llm are raised."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from app.recording import Recorded

import otel_llm
from otel_llm.failures import RAISE_ENV, counts
from otel_llm.finisher import finisher
from otel_llm_collector.demo.standin.server import Standin


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RAISE_ENV, "true")
    counts.clear()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """Instrumented with the defaults; restored afterwards."""
    finisher.start()
    recorded = Recorded()
    yield recorded
    otel_llm.uninstrument()


@pytest.fixture
def capturing() -> Iterator[Recorded]:
    """Instrumented with content."""
    recorded = Recorded(capture_content="SPAN_ONLY")
    yield recorded
    otel_llm.uninstrument()


@pytest.fixture
def standin() -> Iterator[Standin]:
    """OpenAI and Anthropic on loopback."""
    with Standin() as server:
        yield server

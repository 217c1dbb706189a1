"""Another instrumentation sees the same calls, whoever is set up first: each is counted once, with its tokens."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import anthropic
import openai
import pytest
from app.recording import Recorded
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from sdks.peering import saw

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

HELLO: Any = [{"role": "user", "content": "hello"}]
OURS = a.SCOPE_APP
#: distribution, module, instrumentor, the SDK that is called, the scope whose span is counted
PEERS = (
    ("opentelemetry-instrumentation-openai", "opentelemetry.instrumentation.openai", "OpenAIInstrumentor", "openai",
     "opentelemetry.instrumentation.openai.v1"),
    ("opentelemetry-instrumentation-anthropic", "opentelemetry.instrumentation.anthropic", "AnthropicInstrumentor",
     "anthropic", OURS),
    ("opentelemetry-instrumentation-langchain", "opentelemetry.instrumentation.langchain", "LangchainInstrumentor",
     "langchain", "opentelemetry.instrumentation.langchain"),
    ("opentelemetry-instrumentation-genai-openai", "opentelemetry.instrumentation.genai.openai", "OpenAIInstrumentor",
     "openai", "opentelemetry.instrumentation.genai.openai"),
    ("opentelemetry-instrumentation-genai-anthropic", "opentelemetry.instrumentation.genai.anthropic",
     "AnthropicInstrumentor", "anthropic", "opentelemetry.instrumentation.genai.anthropic"),
    ("openinference-instrumentation-openai", "openinference.instrumentation.openai", "OpenAIInstrumentor", "openai",
     "openinference.instrumentation.openai"),
    ("openinference-instrumentation-anthropic", "openinference.instrumentation.anthropic", "AnthropicInstrumentor",
     "anthropic", "openinference.instrumentation.anthropic"),
    ("openinference-instrumentation-langchain", "openinference.instrumentation.langchain", "LangChainInstrumentor",
     "langchain", OURS),
)  # fmt: skip


def ask_openai(standin: Standin, *, stream: bool) -> None:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url, max_retries=0) as client:
        asked: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        answer: Any = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **asked)
        assert list(answer)


def ask_anthropic(standin: Standin, *, stream: bool) -> None:
    with anthropic.Anthropic(api_key="k", base_url=standin.anthropic_url, max_retries=0) as client:
        asked: Any = {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": HELLO}
        assert list(client.messages.create(**asked, stream=stream))


def ask_langchain(standin: Standin, *, stream: bool) -> None:
    from langchain_openai import ChatOpenAI

    asked: Any = {"model": "gpt-4o-mini", "api_key": "k", "base_url": standin.openai_url, "max_retries": 0}
    model = ChatOpenAI(**asked, stream_usage=True)
    assert list(model.stream("hello")) if stream else model.invoke("hello").content


ASK: dict[str, Callable[..., None]] = {
    "openai": ask_openai, "anthropic": ask_anthropic, "langchain": ask_langchain
}  # fmt: skip


@pytest.fixture(params=["before", "after"])
def order(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def instrumentor(module: str, name: str) -> Callable[[Recorded], None]:
    """Switches an instrumentor on."""
    return lambda recorded: getattr(import_module(module), name)().instrument(tracer_provider=recorded.provider)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=[pytest.mark.sdk(row[0]), pytest.mark.feature(row[3])], id=row[0]) for row in PEERS],
)
def test_a_call_that_an_instrumentor_sees_too(order: str, row: tuple[str, ...], stream: bool) -> None:
    _, module, name, sdk, scope = row
    found, _ = saw(order, instrumentor(module, name), lambda at: ASK[sdk](at, stream=stream))
    assert found == scope


@pytest.mark.sdk("anthropic")
@pytest.mark.feature("native tracing")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "row", [row for row in PEERS if row[3] == "anthropic" and row[4] != OURS], ids=lambda row: row[0]
)
def test_an_instrumentor_over_the_sdks_own_tracing(
    row: tuple[str, ...], stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "true")
    found, attributes = saw("before", instrumentor(row[1], row[2]), lambda at: ask_anthropic(at, stream=stream))
    assert found == "com.anthropic.sdk.python"
    assert attributes[a.CONTINUES]


class Nowhere(SpanExporter):
    """Takes what Langfuse would send to its servers."""

    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


@pytest.mark.sdk("langfuse")
@pytest.mark.feature("openai wrapper")
@pytest.mark.parametrize("stream", [False, True])
def test_langfuses_wrapper(order: str, stream: bool) -> None:
    def switch(recorded: Recorded) -> None:
        from langfuse import Langfuse

        Langfuse(public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9", tracer_provider=recorded.provider,
                 span_exporter=Nowhere())  # fmt: skip
        import_module("langfuse.openai")  # patches openai as it is imported

    assert saw(order, switch, lambda at: ask_openai(at, stream=stream))[0] == "langfuse-sdk"


@pytest.mark.sdk("logfire")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "sdk", [pytest.param(name, marks=pytest.mark.feature(name)) for name in ("openai", "anthropic")]
)
def test_logfire(order: str, sdk: str, stream: bool) -> None:
    def switch(recorded: Recorded) -> None:
        import logfire

        logfire.configure(
            send_to_logfire=False, console=False, metrics=False, inspect_arguments=False,
            additional_span_processors=[SimpleSpanProcessor(recorded.exporter)],
        )  # fmt: skip
        logfire.instrument_openai()
        logfire.instrument_anthropic()

    found, _ = saw(order, switch, lambda at: ASK[sdk](at, stream=stream), provider=False)
    assert found == (OURS if stream else f"logfire.{sdk}")

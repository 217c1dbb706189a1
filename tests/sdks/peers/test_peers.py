"""Another instrumentation sees the same calls, whoever is set up first: each is counted once, with its tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
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
        answer: Any = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **asked(stream))
        assert list(answer)


def asked(stream: bool) -> Any:
    return {"stream": True, "stream_options": {"include_usage": True}} if stream else {}


def ask_openai_async(standin: Standin, *, stream: bool) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(api_key="k", base_url=standin.openai_url, max_retries=0) as client:
            answer: Any = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **asked(stream))
            assert [part async for part in answer] if stream else answer.choices

    asyncio.run(main())


def ask_responses(standin: Standin, *, stream: bool) -> None:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url, max_retries=0) as client:
        answer: Any = client.responses.create(model="gpt-4o-mini", input="hello", stream=stream)
        assert list(answer)


def ask_responses_async(standin: Standin, *, stream: bool) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(api_key="k", base_url=standin.openai_url, max_retries=0) as client:
            answer: Any = await client.responses.create(model="gpt-4o-mini", input="hello", stream=stream)
            assert [part async for part in answer] if stream else answer.output

    asyncio.run(main())


def ask_embeddings(standin: Standin, *, stream: bool) -> None:
    with openai.OpenAI(api_key="k", base_url=standin.openai_url, max_retries=0) as client:
        assert client.embeddings.create(model="text-embedding-3-small", input="hello").data


def ask_anthropic(standin: Standin, *, stream: bool) -> None:
    with anthropic.Anthropic(api_key="k", base_url=standin.anthropic_url, max_retries=0) as client:
        assert list(client.messages.create(**CLAUDE, stream=stream))


def ask_anthropic_async(standin: Standin, *, stream: bool) -> None:
    async def main() -> None:
        async with anthropic.AsyncAnthropic(api_key="k", base_url=standin.anthropic_url, max_retries=0) as client:
            answer: Any = await client.messages.create(**CLAUDE, stream=stream)
            assert [event async for event in answer] if stream else answer.content

    asyncio.run(main())


def ask_anthropic_helper(standin: Standin, *, stream: bool) -> None:
    client = anthropic.Anthropic(api_key="k", base_url=standin.anthropic_url, max_retries=0)
    with client, client.messages.stream(**CLAUDE) as events:
        assert list(events.text_stream) if stream else events.get_final_message()


def _langchain(standin: Standin) -> Any:
    from langchain_openai import ChatOpenAI

    given: Any = {"model": "gpt-4o-mini", "api_key": "k", "base_url": standin.openai_url, "max_retries": 0}
    return ChatOpenAI(**given, stream_usage=True)


def ask_langchain(standin: Standin, *, stream: bool) -> None:
    model = _langchain(standin)
    assert list(model.stream("hello")) if stream else model.invoke("hello").content


def ask_langchain_async(standin: Standin, *, stream: bool) -> None:
    async def main() -> None:
        model = _langchain(standin)
        assert [part async for part in model.astream("hello")] if stream else (await model.ainvoke("hello")).content

    asyncio.run(main())


CLAUDE: Any = {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": HELLO}
#: How an SDK is asked, by its name: feature -> what asks.
ASK: dict[str, dict[str, Callable[..., None]]] = {
    "openai": {
        "chat": ask_openai,
        "async chat": ask_openai_async,
        "responses": ask_responses,
        "async responses": ask_responses_async,
        "embeddings": ask_embeddings,
    },
    "anthropic": {
        "messages": ask_anthropic,
        "async messages": ask_anthropic_async,
        "stream helper": ask_anthropic_helper,
    },
    "langchain": {"invoke and stream": ask_langchain, "ainvoke and astream": ask_langchain_async},
}


@pytest.fixture(params=["before", "after"])
def order(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def instrumentor(module: str, name: str) -> Callable[[Recorded], None]:
    """Switches an instrumentor on."""
    return lambda recorded: getattr(import_module(module), name)().instrument(tracer_provider=recorded.provider)


#: Told of when they are over.
ECHOED = [("opentelemetry.instrumentation.openai", way) for way in ("responses", "async responses")]


def asking(sdk: str) -> dict[str, Callable[[Standin], None]]:
    """Each way to ask an SDK, whole and as a stream where it has one, by its name."""
    return {
        f"{way}, stream" if stream else way: partial(ask, stream=stream)
        for way, ask in ASK[sdk].items()
        for stream in (False, True)[: 1 if way == "embeddings" else 2]
    }


def rows(*marks: Any, sdk: str | None = None) -> list[Any]:
    """The instrumentors, those of one SDK or all, with what the table says of them."""
    return [
        pytest.param(row, marks=marks or [pytest.mark.sdk(row[0]), pytest.mark.feature(*ASK[row[3]])], id=row[0])
        for row in PEERS
        if sdk in (None, row[3])
    ]


@pytest.mark.parametrize("row", rows())
def test_calls_that_an_instrumentor_sees_too(order: str, row: tuple[str, ...]) -> None:
    _, module, name, sdk, scope = row
    asks = asking(sdk)
    found = saw(order, instrumentor(module, name), *asks.values())
    wanted = {way: OURS if (module, way.removesuffix(", stream")) in ECHOED else scope for way in asks}
    assert dict(zip(asks, [one for one, _ in found], strict=True)) == wanted


@pytest.mark.parametrize(
    "row", rows(pytest.mark.sdk("anthropic"), pytest.mark.feature("native tracing"), sdk="anthropic")
)
def test_an_instrumentor_over_the_sdks_own_tracing(row: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "true")
    found = saw("before", instrumentor(row[1], row[2]), *asking("anthropic").values())
    assert [scope for scope, _ in found] == ["com.anthropic.sdk.python"] * len(found)
    assert all(attributes[a.CONTINUES] for _, attributes in found)


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

    assert saw(order, switch, lambda at: ask_openai(at, stream=stream))[0][0] == "langfuse-sdk"


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

    asks = {"openai": ask_openai, "anthropic": ask_anthropic}
    ((found, _),) = saw(order, switch, lambda at: asks[sdk](at, stream=stream), provider=False)
    assert found == (OURS if stream else f"logfire.{sdk}")

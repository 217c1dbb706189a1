"""Every way a call of an SDK goes well, or fails with an answer: one span that says all of it."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from app.rawserver import RawServer
from app.recording import Recorded
from opentelemetry.trace import SpanKind, StatusCode

from otel_llm_collector.demo.standin.server import Standin
from otel_llm_semconv import attributes as a

USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 300,
    "total_tokens": 1300,
    "prompt_tokens_details": {"cached_tokens": 400, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 100, "audio_tokens": 0},
}
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": USAGE,
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 128,
        "cache_read_input_tokens": 320,
        "cache_creation_input_tokens": 64,
        "cache_creation": {"ephemeral_5m_input_tokens": 24, "ephemeral_1h_input_tokens": 40},
        "output_tokens": 200,
    },
}
HELLO: Any = [{"role": "user", "content": "hello"}]


def openai_at(url: str, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", base_url=url + "/v1", **{"max_retries": 0, **options})


def anthropic_at(url: str, **options: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="k", base_url=url, **{"max_retries": 0, **options})


def test_an_openai_call_has_every_attribute(recorded: Recorded) -> None:
    with RawServer(lambda c: c.json(COMPLETION)) as server, openai_at(server.url) as client:
        answer = client.chat.completions.create(
            model="gpt-4o-mini",
            messages=HELLO,
            temperature=0.5,
            max_completion_tokens=99,
            seed=7,
            stop=["END"],
            user="alice",
            metadata={"prompt_name": "triage", "prompt_version": "v3", "session_id": "s-1", "department": "cardiology"},
            reasoning_effort="low",
        )
        port = int(server.url.rsplit(":", 1)[1])
    assert answer.choices[0].message.content == "hello"
    span = recorded.call()
    assert (span.name, span.kind, span.status.status_code) == ("chat gpt-4o-mini", SpanKind.CLIENT, StatusCode.UNSET)
    assert span.instrumentation_scope is not None
    assert (span.instrumentation_scope.name, span.instrumentation_scope.schema_url) == (a.SCOPE_APP, a.SCHEMA_URL)
    found = dict(span.attributes or {})
    assert found.pop(a.PRICE_VERSION).startswith("genai-prices-")
    # gpt-4o-mini, USD a million: input 0.15, cached 0.075, output 0.60
    assert found.pop(a.COST_AMOUNT) == pytest.approx((600 * 0.15 + 400 * 0.075 + 300 * 0.60) / 1e6, abs=1e-12)
    assert found == {
        a.OPERATION: "chat",
        a.PROVIDER: "openai",
        a.SERVER_ADDRESS: "127.0.0.1",
        a.SERVER_PORT: port,
        a.REQUEST_MODEL: "gpt-4o-mini",
        a.REQUEST_TEMPERATURE: 0.5,
        a.REQUEST_MAX_TOKENS: 99,
        a.REQUEST_SEED: 7,
        a.REQUEST_STOP_SEQUENCES: ("END",),
        a.REQUEST_REASONING_LEVEL: "low",
        a.USER_ID: "alice",
        a.SESSION_ID: "s-1",
        a.PROMPT_NAME: "triage",
        a.PROMPT_VERSION: "v3",
        a.PROPERTY_PREFIX + "department": "cardiology",
        a.RESPONSE_ID: "chatcmpl-1",
        a.RESPONSE_MODEL: "gpt-4o-mini-2024-07-18",
        a.RESPONSE_FINISH_REASONS: ("stop",),
        a.OPENAI_RESPONSE_SERVICE_TIER: "default",
        a.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: "fp_1",
        a.USAGE_INPUT_TOKENS: 1000,
        a.USAGE_OUTPUT_TOKENS: 300,
        a.USAGE_CACHE_READ_TOKENS: 400,
        a.USAGE_REASONING_TOKENS: 100,
        a.USAGE_AUDIO_INPUT_TOKENS: 0,
        a.USAGE_AUDIO_OUTPUT_TOKENS: 0,
        a.USAGE_STATUS: "reported",
        a.COST_STATUS: "exact",
        a.COST_CURRENCY: "USD",
        a.COST_SOURCE: "local",
        a.COST_COMPONENT_PREFIX + "input": 600 * 0.15 / 1e6,
        a.COST_COMPONENT_PREFIX + "cache_read": 400 * 0.075 / 1e6,
        a.COST_COMPONENT_PREFIX + "output": 300 * 0.60 / 1e6,
    }


def test_an_anthropic_call_counts_the_cache_into_the_input(recorded: Recorded) -> None:
    with RawServer(lambda c: c.json(MESSAGE)) as server, anthropic_at(server.url) as client:
        client.messages.create(
            model="claude-haiku-4-5",
            messages=HELLO,
            max_tokens=99,
            extra_body={"top_k": 5},
            stop_sequences=["END"],
            metadata={"user_id": "bob"},
        )
    found = recorded.attributes()
    assert found[a.PROVIDER] == "anthropic"
    assert (found[a.REQUEST_MAX_TOKENS], found[a.REQUEST_TOP_K], found[a.USER_ID]) == (99, 5, "bob")
    assert found[a.REQUEST_STOP_SEQUENCES] == ("END",)
    assert found[a.USAGE_INPUT_TOKENS] == 128 + 320 + 64
    assert (found[a.USAGE_CACHE_READ_TOKENS], found[a.USAGE_CACHE_WRITE_TOKENS]) == (320, 64)
    assert (found[a.USAGE_CACHE_WRITE_1H_TOKENS], found[a.USAGE_OUTPUT_TOKENS]) == (40, 200)
    assert found[a.RESPONSE_FINISH_REASONS] == ("end_turn",)
    # claude-haiku-4-5, USD a million: input 1, cached 0.10, write 1.25, write for an hour 2, output 5
    expected = (128 * 1 + 320 * 0.10 + 24 * 1.25 + 40 * 2 + 200 * 5) / 1e6
    assert found[a.COST_AMOUNT] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("stream", [False, True])
def test_the_stand_ins_usage_is_on_the_span_for_both_sdks(recorded: Recorded, standin: Standin, stream: bool) -> None:
    with openai_at(standin.url) as one, anthropic_at(standin.url) as two:
        if stream:
            list(
                one.chat.completions.create(
                    model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
                )
            )
            with two.messages.stream(model="claude-haiku-4-5", messages=HELLO, max_tokens=50) as events:
                events.get_final_message()
        else:
            one.chat.completions.create(model="gpt-4o", messages=HELLO)
            two.messages.create(model="claude-haiku-4-5", messages=HELLO, max_tokens=50)
    spans = {str((span.attributes or {})[a.RESPONSE_ID]): dict(span.attributes or {}) for span in recorded.spans()}
    assert len(spans) == 2
    for call in standin.calls:
        found = spans[str(call.id)]
        assert call.usage is not None
        output = call.usage.get("completion_tokens", call.usage.get("output_tokens"))
        assert found[a.USAGE_OUTPUT_TOKENS] == output
        assert found[a.USAGE_STATUS] == "reported"
        assert found[a.COST_STATUS] == "exact"
        assert (a.REQUEST_STREAM in found, a.RESPONSE_TIME_TO_FIRST_CHUNK in found) == (stream, stream)
        assert found.get(a.RESPONSE_TIME_TO_FIRST_CHUNK, 0.1) < 5


def test_streaming_and_not_give_the_same_attributes(recorded: Recorded, standin: Standin) -> None:
    with openai_at(standin.url) as client:
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
        list(
            client.chat.completions.create(
                model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
        )
    plain, streamed = (dict(span.attributes or {}) for span in recorded.spans())
    only_streamed = {a.REQUEST_STREAM, a.RESPONSE_TIME_TO_FIRST_CHUNK}
    assert set(streamed) - set(plain) == only_streamed
    differing = {key for key in plain if plain[key] != streamed[key]}
    assert differing <= {a.RESPONSE_ID, a.OPENAI_RESPONSE_SYSTEM_FINGERPRINT}


async def _all_async(standin: Standin) -> None:
    one = openai.AsyncOpenAI(api_key="k", base_url=standin.openai_url)
    two = anthropic.AsyncAnthropic(api_key="k", base_url=standin.url)
    async with one, two:
        await one.chat.completions.create(model="gpt-4o", messages=HELLO)
        async for _ in await one.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True):
            pass
        await two.messages.create(model="claude-haiku-4-5", messages=HELLO, max_tokens=50)
        async with two.messages.stream(model="claude-haiku-4-5", messages=HELLO, max_tokens=50) as events:
            async for _ in events.text_stream:
                pass


def test_async_clients_give_one_span_a_call(recorded: Recorded, standin: Standin) -> None:
    import asyncio

    asyncio.run(_all_async(standin))
    spans = recorded.spans()
    assert [span.name for span in spans] == [f"chat {m}" for m in ("gpt-4o",) * 2 + ("claude-haiku-4-5",) * 2]
    statuses = [(span.attributes or {})[a.USAGE_STATUS] for span in spans]
    assert statuses == ["reported", "missing", "reported", "reported"]  # the second did not ask for usage
    unasked = dict(spans[1].attributes or {})
    assert a.USAGE_INPUT_TOKENS not in unasked
    assert (unasked[a.COST_STATUS], a.COST_AMOUNT in unasked) == ("missing_usage", False)


def test_raw_and_streaming_responses_are_read_all_the_same(recorded: Recorded, standin: Standin) -> None:
    with openai_at(standin.url) as client:
        completions = client.chat.completions
        assert completions.with_raw_response.create(model="gpt-4o", messages=HELLO).parse().choices
        with completions.with_streaming_response.create(model="gpt-4o", messages=HELLO) as response:
            assert b"choices" in b"".join(response.iter_bytes())
        with completions.with_streaming_response.create(
            model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
        ) as response:
            assert list(response.iter_lines())[-2:]
    assert [(span.attributes or {})[a.USAGE_STATUS] for span in recorded.spans()] == ["reported"] * 3


def test_tool_calls_are_in_finish_reasons_and_captured_content(capturing: Recorded) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"q": "x"}'}}
    choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [call]}}
    reply = {**COMPLETION, "choices": [{**choice, "finish_reason": "tool_calls"}]}
    with RawServer(lambda c: c.json(reply)) as server, openai_at(server.url) as client:
        client.chat.completions.create(
            model="gpt-4o-mini",
            messages=HELLO,
            tools=[{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}],
        )
    found = capturing.attributes()
    assert found[a.RESPONSE_FINISH_REASONS] == ("tool_calls",)
    assert found[a.INPUT_MESSAGES] == '[{"role":"user","parts":[{"type":"text","content":"hello"}]}]'
    assert found[a.OUTPUT_MESSAGES] == (
        '[{"role":"assistant","parts":[{"type":"tool_call","id":"call_1","name":"look_up",'
        '"arguments":{"q":"x"}}],"finish_reason":"tool_call"}]'
    )
    assert found[a.TOOL_DEFINITIONS] == '[{"type":"function","name":"look_up","parameters":{"type":"object"}}]'


def test_content_stays_off_the_span_unless_asked_for(recorded: Recorded, standin: Standin) -> None:
    with openai_at(standin.url) as client:
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert not set(recorded.attributes()) & set(a.CONTENT)


ERRORS = [
    (401, {"error": {"message": "bad key", "type": "invalid_request_error", "code": "x"}}, "invalid_request_error"),
    (400, {"error": {"message": "no", "type": None, "code": "bad_value"}}, "bad_value"),
    (500, {}, "500"),
]


@pytest.mark.parametrize(("status", "body", "error_type"), ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_an_error_with_the_providers_type(
    recorded: Recorded, status: int, body: dict[str, Any], error_type: str, stream: bool
) -> None:
    with (
        RawServer(lambda c: c.json(body, status)) as server,
        openai_at(server.url) as client,
        pytest.raises(openai.APIStatusError),
    ):
        client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=stream)
    span, found = recorded.call(), recorded.attributes()
    assert span.status.status_code is StatusCode.ERROR
    assert (found[a.ERROR_TYPE], found[a.HTTP_STATUS], found[a.USAGE_STATUS]) == (error_type, status, "missing")
    assert a.ATTEMPTS not in found


def test_attempts_that_the_sdk_makes_are_one_span(recorded: Recorded) -> None:
    busy = {"error": {"message": "slow down", "type": "requests"}}
    replies = [lambda c: c.json(busy, 429, retry_after_ms="1"), lambda c: c.cut(), lambda c: c.json(COMPLETION)]
    with RawServer(*replies) as server, openai_at(server.url, max_retries=2) as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    span, found = recorded.call(), recorded.attributes()
    assert (found[a.ATTEMPTS], found[a.USAGE_STATUS]) == (3, "reported")
    assert span.status.status_code is StatusCode.UNSET
    assert a.ERROR_TYPE not in found
    assert a.HTTP_STATUS not in found


@pytest.mark.parametrize("stream", [False, True])
def test_attempts_that_all_fail_are_one_error(recorded: Recorded, stream: bool) -> None:
    busy = {"type": "error", "error": {"message": "busy", "type": "overloaded_error"}}
    with (
        RawServer(lambda c: c.json(busy, 529, retry_after_ms="1")) as server,
        anthropic_at(server.url, max_retries=2) as client,
        pytest.raises(anthropic.APIStatusError),
    ):
        client.messages.create(model="claude-haiku-4-5", messages=HELLO, max_tokens=9, stream=stream)
    found = recorded.attributes()
    assert (found[a.ATTEMPTS], found[a.ERROR_TYPE], found[a.HTTP_STATUS]) == (3, "overloaded_error", 529)


def test_a_server_that_cannot_be_reached_is_an_error_of_the_exceptions_name(recorded: Recorded) -> None:
    with openai_at("http://127.0.0.1:1") as client, pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="gpt-4o", messages=HELLO)
    found = recorded.attributes()
    assert found[a.ERROR_TYPE] == "APIConnectionError"
    assert a.HTTP_STATUS not in found


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_both_http_libraries_are_seen_without_an_sdk(recorded: Recorded, standin: Standin, library: Any) -> None:
    body = {"model": "gpt-4o", "messages": HELLO}
    with library.Client() as client:
        assert client.post(standin.openai_url + "/chat/completions", json=body).json()["usage"]
        with client.stream("POST", standin.openai_url + "/chat/completions", json={**body, "stream": True}) as response:
            assert response.read()
    assert [span.name for span in recorded.spans()] == ["chat gpt-4o"] * 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/moderations", {"model": "m", "input": "x"}),
        ("/v1/threads/1/messages", {"role": "user", "content": "x"}),
        ("/v1/messages", {"to": "bob", "text": "a chat app of your own"}),
        ("/chat/completions", ["not an object"]),
        ("/orders", {"model": "m", "messages": []}),
    ],
)
def test_other_requests_are_none_of_our_business(recorded: Recorded, path: str, body: Any) -> None:
    with RawServer(lambda c: c.json({})) as server, httpx2.Client() as client:
        assert client.post(server.url + path, json=body, headers={"traceparent": "kept"}).status_code == 200
        assert server.requests[0].headers["traceparent"] == "kept"
    assert recorded.spans() == []


def test_a_host_of_ones_own_gets_the_provider_that_the_settings_say(standin: Standin) -> None:
    import otel_llm

    recorded = Recorded(hosts={"127.0.0.1": "groq"})
    try:
        with openai_at(standin.url) as client:
            client.chat.completions.create(model="gpt-4o", messages=HELLO)
        assert recorded.attributes()[a.PROVIDER] == "groq"
    finally:
        otel_llm.uninstrument()

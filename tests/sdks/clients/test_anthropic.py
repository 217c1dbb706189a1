"""Anthropic's SDK: messages, streams, helpers, its namespaces and its clients for other clouds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from app.recording import Recorded
from pydantic import BaseModel
from sdks.agreement import calls, one_call, one_failure

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("anthropic")
VERTEX, BEDROCK = "gcp.vertex_ai", "aws.bedrock"
MODEL = "claude-haiku-4-5"
HELLO: Any = [{"role": "user", "content": "hello"}]
ASK: dict[str, Any] = {"model": MODEL, "max_tokens": 999, "messages": HELLO}
CACHED: Any = [{"type": "text", "text": "You are a nurse.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]


class Patient(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(standin: Standin) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=standin.anthropic_url, api_key="k", max_retries=0) as client:
        yield client


def message_seen(recorded: Recorded, standin: Standin, provider: str = "anthropic") -> dict[str, Any]:
    found = one_call(recorded, standin, operation="chat", provider=provider)
    assert found[a.RESPONSE_FINISH_REASONS] == ("end_turn",)
    return found


@pytest.mark.feature("messages")
def test_a_message(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    answer = client.messages.create(**ASK)
    assert message_seen(recorded, standin)[a.USAGE_OUTPUT_TOKENS] == answer.usage.output_tokens


@pytest.mark.feature("prompt cache")
def test_a_cached_prompt(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    usage = client.messages.create(**ASK, system=CACHED).usage
    found = message_seen(recorded, standin)
    counts = found[a.USAGE_CACHE_READ_TOKENS], found[a.USAGE_CACHE_WRITE_TOKENS]
    assert counts == (usage.cache_read_input_tokens, usage.cache_creation_input_tokens)


@pytest.mark.feature("messages stream")
def test_a_message_stream(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    assert list(client.messages.create(**ASK, stream=True))[-1].type == "message_stop"
    message_seen(recorded, standin)


@pytest.mark.feature("messages stream helper")
def test_the_stream_helper(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    with client.messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream)
    message_seen(recorded, standin)


@pytest.mark.feature("messages parse")
def test_parse(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    assert client.messages.parse(**ASK, output_format=Patient).parsed_output
    message_seen(recorded, standin)


@pytest.mark.feature("beta namespace")
def test_the_beta_namespace(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    assert client.beta.messages.create(**ASK, betas=["context-1m-2025-08-07"]).content
    message_seen(recorded, standin)


@pytest.mark.feature("beta namespace")
def test_the_beta_stream_helper(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    with client.beta.messages.stream(**ASK) as stream:
        assert stream.get_final_message().content
    message_seen(recorded, standin)


@pytest.mark.feature("with_raw_response")
def test_the_raw_response(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    raw = client.messages.with_raw_response.create(**ASK)
    assert raw.headers["request-id"] == standin.calls[0].request_id
    message_seen(recorded, standin)


@pytest.mark.feature("with_streaming_response")
def test_the_streaming_response(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    with client.messages.with_streaming_response.create(**ASK, stream=True) as response:
        assert list(response.iter_lines())
    message_seen(recorded, standin)


@pytest.mark.feature("AsyncAnthropic")
@pytest.mark.parametrize("stream", [False, True])
def test_async(recorded: Recorded, standin: Standin, stream: bool) -> None:
    async def ask() -> Any:
        async with anthropic.AsyncAnthropic(base_url=standin.anthropic_url, api_key="k") as client:
            if not stream:
                return await client.messages.create(**ASK)
            async with client.messages.stream(**ASK) as running:
                return await running.get_final_message()

    assert asyncio.run(ask()).content
    message_seen(recorded, standin)


@pytest.mark.feature("its own tracing")
@pytest.mark.parametrize("on", [False, True])
def test_with_the_sdks_own_tracing_it_stays_one_call(recorded: Recorded, standin: Standin, on: bool) -> None:
    tracing: Any = {"tracer_provider": recorded.provider} if on else False
    with anthropic.Anthropic(base_url=standin.anthropic_url, api_key="k", open_telemetry=tracing) as client:
        client.messages.create(**ASK)
    (span,) = calls(recorded)
    (sent,) = standin.calls
    assert sent.usage
    assert (span.attributes or {})[a.USAGE_OUTPUT_TOKENS] == sent.usage["output_tokens"]
    assert a.COST_AMOUNT in (span.attributes or {})


@pytest.mark.feature("legacy complete")
def test_legacy_complete(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    body = {"model": "claude-2.1", "max_tokens_to_sample": 99, "prompt": "\n\nHuman: hello\n\nAssistant:"}
    assert client.post("/v1/complete", cast_to=object, body=body)  # the SDK has no method for it any more
    one_call(recorded, standin, operation="text_completion", provider="anthropic")


@pytest.mark.feature("count_tokens is no call")
def test_counting_tokens_is_no_call(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    assert client.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens
    assert calls(recorded) == []


@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal(
    recorded: Recorded, standin: Standin, client: anthropic.Anthropic, status: int, stream: bool
) -> None:
    with pytest.raises(anthropic.APIStatusError):
        client.messages.create(model=f"standin-{status}", max_tokens=9, messages=HELLO, stream=stream)
    one_failure(recorded, standin, status=status, provider="anthropic")


@pytest.mark.feature("retries")
def test_retries_are_one_call(recorded: Recorded, standin: Standin, client: anthropic.Anthropic) -> None:
    patient = client.with_options(max_retries=2)
    assert patient.messages.create(**ASK, extra_headers={"x-standin-fault": "529*2"}).id
    assert message_seen(recorded, standin)[a.ATTEMPTS] == 3


@pytest.mark.feature("AnthropicVertex")
@pytest.mark.parametrize("stream", [False, True])
def test_vertex(recorded_as: Callable[[str], Recorded], standin: Standin, stream: bool) -> None:
    recorded = recorded_as(VERTEX)
    with anthropic.AnthropicVertex(
        base_url=f"{standin.vertex_url}/v1", region="us-east5", project_id="clinic", access_token="k"
    ) as client:
        answer: Any = client.messages.create(**ASK, stream=stream)
        assert list(answer) if stream else answer.content
    message_seen(recorded, standin, VERTEX)


@pytest.mark.feature("AnthropicBedrock")
@pytest.mark.parametrize("stream", [False, True])
def test_bedrock(recorded_as: Callable[[str], Recorded], standin: Standin, stream: bool) -> None:
    recorded = recorded_as(BEDROCK)
    model = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
    with anthropic.AnthropicBedrock(
        base_url=standin.bedrock_url, aws_region="us-east-1", aws_access_key="k", aws_secret_key="s"
    ) as client:
        answer: Any = client.messages.create(**{**ASK, "model": model}, stream=stream)
        assert list(answer) if stream else answer.content
    message_seen(recorded, standin, BEDROCK)

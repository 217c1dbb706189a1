"""OpenAI's SDK: images, speech, transcriptions, and sessions over a websocket."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from app.recording import Recorded
from sdks.agreement import calls, one_call

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("openai")
REALTIME = "gpt-realtime"


@pytest.fixture
def client(standin: Standin) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=standin.openai_url, websocket_base_url=standin.realtime_url, api_key="k", max_retries=0
    ) as client:
        yield client


@pytest.mark.feature("images")
def test_an_image(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    answer = client.images.generate(model="gpt-image-1", prompt="a heart")
    assert answer.data
    one_call(recorded, standin, operation="generate_content", provider="openai")


@pytest.mark.feature("audio speech")
def test_speech(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    spoken = client.audio.speech.create(model="gpt-4o-mini-tts", voice="alloy", input="hello")
    assert spoken.content
    one_call(recorded, standin, operation="generate_content", provider="openai")


@pytest.mark.feature("audio speech")
def test_speech_as_it_is_made(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    speech = client.audio.speech.with_streaming_response
    with speech.create(model="gpt-4o-mini-tts", voice="alloy", input="hello") as response:
        assert b"".join(response.iter_bytes())
    one_call(recorded, standin, operation="generate_content", provider="openai")


@pytest.mark.feature("audio transcription")
def test_a_transcription(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    sound = ("hello.wav", io.BytesIO(b"RIFF" + bytes(2000)), "audio/wav")
    assert client.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=sound).text
    one_call(recorded, standin, operation="generate_content", provider="openai")


@pytest.mark.feature("realtime")
def test_a_realtime_session(recorded: Recorded, standin: Standin, client: openai.OpenAI) -> None:
    with client.realtime.connect(model=REALTIME) as connection:
        connection.response.create()
        ended = next(event for event in connection if event.type == "response.done")
    realtime_seen(recorded, standin, ended)


@pytest.mark.feature("realtime")
def test_an_async_realtime_session(recorded: Recorded, standin: Standin) -> None:
    async def talk() -> Any:
        client = openai.AsyncOpenAI(base_url=standin.openai_url, websocket_base_url=standin.realtime_url, api_key="k")
        async with client, client.realtime.connect(model=REALTIME) as connection:
            await connection.response.create()
            async for event in connection:
                if event.type == "response.done":
                    return event
        return None

    realtime_seen(recorded, standin, asyncio.run(talk()))


def realtime_seen(recorded: Recorded, standin: Standin, ended: Any) -> None:
    (span,) = calls(recorded)
    found = dict(span.attributes or {})
    usage = ended.response.usage
    assert (found[a.PROVIDER], found[a.REQUEST_MODEL]) == ("openai", REALTIME)
    assert (found[a.USAGE_INPUT_TOKENS], found[a.USAGE_OUTPUT_TOKENS]) == (usage.input_tokens, usage.output_tokens)
    assert found[a.RESPONSE_ID] == ended.response.id
    (sent,) = standin.calls
    assert sent.usage
    assert sent.usage["input_tokens"] == usage.input_tokens

"""Bedrock, vendors, local servers, pictures and sound, through a client under the instrumentation."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from app.recording import Recorded
from opentelemetry.sdk.trace import ReadableSpan

import otel_llm
from otel_llm.providers import HOSTS, MARKERS
from otel_llm.recognition import is_marked
from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage as u
from otel_llm_semconv.usage import Usage

FIXTURES = Path(__file__).parent / "fixtures"
FRAMES = "application/vnd.amazon.eventstream"
PICTURE = base64.b64encode(b"a picture of a kite").decode()


def fixture(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return found


def send(
    url: str, *, json_body: Any = None, answer: httpx2.Response, headers: dict[str, str] | None = None, **form: Any
) -> bytes:
    """A request of an app, answered inside the process; the body is read as the app would."""
    with (
        httpx2.Client(transport=httpx2.MockTransport(lambda _: answer)) as client,
        client.stream("POST", url, json=json_body, headers=headers, **form) as response,
    ):
        return response.read()


def span_of(recorded: Recorded) -> tuple[ReadableSpan, dict[str, Any]]:
    (span,) = recorded.spans()
    return span, dict(span.attributes or {})


def frame(event: str, payload: bytes, kind: str = "event") -> bytes:
    """A frame as AWS sends it."""
    named = {":message-type": kind, ":event-type" if kind == "event" else ":exception-type": event}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + len(value).to_bytes(2, "big") + value.encode()
        for name, value in named.items()
    )
    prelude = (len(headers) + len(payload) + 16).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    whole = prelude + binascii.crc32(prelude).to_bytes(4, "big") + headers + payload
    return whole + binascii.crc32(whole).to_bytes(4, "big")


def frames(events: list[dict[str, Any]], *, chunked: bool) -> bytes:
    """The events of a fixture as frames: by their names, or wrapped as a model's own chunks."""
    if chunked:
        chunks = [{"bytes": base64.b64encode(json.dumps(event).encode()).decode(), "p": "abc"} for event in events]
        return b"".join(frame("chunk", json.dumps(chunk).encode()) for chunk in chunks)
    named = [next(iter(event.items())) for event in events]
    return b"".join(
        frame(str(value["type"]), json.dumps({"message": value["message"]}).encode(), "exception")
        if name == "error"
        else frame(name, json.dumps(value).encode())
        for name, value in named
    )


class Pieces(httpx2.SyncByteStream):
    """A body in pieces of one size."""

    def __init__(self, body: bytes, size: int) -> None:
        self._pieces = [body[start : start + size] for start in range(0, len(body), size)]

    def __iter__(self) -> Any:
        return iter(self._pieces)


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
@pytest.mark.parametrize(
    "name", ["bedrock_converse/converse_stream", "bedrock_invoke/anthropic_stream", "bedrock_invoke/nova_stream"]
)
@pytest.mark.parametrize("mode", ["NO_CONTENT", "SPAN_ONLY"])
def test_frames_are_read_however_they_are_cut(name: str, size: int, mode: str) -> None:
    case = fixture(name)
    body = frames(case["events"], chunked="invoke" in name)
    recorded = Recorded(capture_content=mode)
    try:
        stream = Pieces(body, size)
        answer = httpx2.Response(200, headers={"content-type": FRAMES}, stream=stream)
        url = "https://bedrock-runtime.eu-central-1.amazonaws.com" + case["path"]
        assert send(url, json_body=case["request"], answer=answer) == body
        _, found = span_of(recorded)
    finally:
        otel_llm.uninstrument()
    assert (found[a.PROVIDER], found[a.OPERATION]) == ("aws.bedrock", "chat")
    usage = {name: count for name, count in case["answer"].items() if name in u.FIELDS}
    assert u.from_attributes(found) == Usage(**usage)
    assert found[a.USAGE_STATUS] == u.REPORTED
    assert found[a.RESPONSE_FINISH_REASONS] == ("end_turn",)
    assert found[a.RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    assert (a.OUTPUT_MESSAGES in found) is (mode == "SPAN_ONLY")


def test_an_exception_in_the_frames_fails_the_call(recorded: Recorded) -> None:
    case = fixture("bedrock_converse/converse_stream_error")
    body = frames(case["events"], chunked=False)
    answer = httpx2.Response(200, headers={"content-type": FRAMES}, content=body)
    send("http://127.0.0.1:1" + case["path"], json_body=case["request"], answer=answer)
    span, found = span_of(recorded)
    assert found[a.ERROR_TYPE] == "throttlingException"
    assert span.status.description == "Too many tokens."
    assert u.from_attributes(found).is_empty()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("http://127.0.0.1:1234", "openai_chat/chat_lm_studio"),
        ("http://127.0.0.1:8000", "openai_chat/chat_vllm"),
        ("http://localhost:8080", "openai_chat/chat_llama_cpp"),
    ],
)
def test_a_local_server_is_recognised_by_its_format(recorded: Recorded, host: str, name: str) -> None:
    case = fixture(name)
    send(host + "/v1/chat/completions", json_body=case["request"], answer=httpx2.Response(200, json=case["response"]))
    _, found = span_of(recorded)
    assert (found[a.PROVIDER], found[a.REQUEST_MODEL]) == ("openai", case["request"]["model"])
    assert u.from_attributes(found) == Usage(input_tokens=20, output_tokens=5)


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("contoso.openai.azure.com", "azure.ai.openai"),
        ("contoso.cognitiveservices.azure.com", "azure.ai.openai"),
        ("contoso.services.ai.azure.com", "azure.ai.inference"),
        ("contoso.eastus.inference.ai.azure.com", "azure.ai.inference"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "aws.bedrock"),
        ("vpce-1-2.bedrock-runtime.eu-west-1.vpce.amazonaws.com", "aws.bedrock"),
        ("bedrock-mantle.us-east-1.api.aws", "aws.bedrock"),
        ("eu.api.openai.com", "openai"),
        ("api.moonshot.cn", "moonshot_ai"),
    ],
)
def test_a_vendor_is_known_by_its_host(recorded: Recorded, host: str, provider: str) -> None:
    url = f"https://{host}/openai/deployments/gpt-4o-mini/chat/completions"
    send(url, json_body={"messages": []}, answer=httpx2.Response(200, json={"usage": {"prompt_tokens": 1}}))
    _, found = span_of(recorded)
    assert (found[a.PROVIDER], found[a.REQUEST_MODEL]) == (provider, "gpt-4o-mini")


@pytest.mark.parametrize(("asked", "behind"), [("chat-prod", "gpt-4o-mini"), ("chat-test", None)])
def test_the_model_behind_a_deployment_is_told_and_priced(asked: str, behind: str | None) -> None:
    recorded = Recorded(deployments={"chat-prod": "gpt-4o-mini"})
    url = f"https://contoso.openai.azure.com/openai/deployments/{asked}/chat/completions"
    body = {"model": asked, "usage": {"prompt_tokens": 500, "completion_tokens": 300}}
    try:
        send(url, json_body={"messages": []}, answer=httpx2.Response(200, json=body))
        _, found = span_of(recorded)
    finally:
        otel_llm.uninstrument()
    assert (found[a.REQUEST_MODEL], found.get(a.DEPLOYED_MODEL)) == (asked, behind)
    assert found.get(a.COST_AMOUNT) == (0.000255 if behind else None)


def test_the_price_that_a_vendor_declares_is_the_cost(recorded: Recorded) -> None:
    case = fixture("openai_chat/chat_openrouter")
    answer = httpx2.Response(200, json=case["response"])
    send("https://openrouter.ai/api/v1/chat/completions", json_body=case["request"], answer=answer)
    _, found = span_of(recorded)
    assert (found[a.COST_AMOUNT], found[a.COST_SOURCE]) == (0.000321, "provider")


@pytest.mark.parametrize("kind", ["edits", "variations"])
def test_the_fields_of_a_form_are_read(recorded: Recorded, kind: str) -> None:
    form = {"model": "gpt-image-1", "prompt": "now blue", "n": "2"}
    response = fixture("openai_images/edit")["response"]
    send(
        f"http://127.0.0.1:1/v1/images/{kind}",
        data=form,
        files={"image": ("kite.png", b"\x89PNG", "image/png")},
        answer=httpx2.Response(200, json=response),
    )
    span, found = span_of(recorded)
    assert span.name == "generate_content gpt-image-1"
    assert (found[a.OUTPUT_TYPE], found[a.REQUEST_CHOICE_COUNT]) == ("image", 2)
    assert u.from_attributes(found) == Usage(input_tokens=340, output_tokens=272, image_input_tokens=328)


def test_speech_comes_back_as_sound_and_nothing_is_read(capturing: Recorded) -> None:
    sound = b"[ID3\x04\x00" + bytes(range(256)) * 40
    body = fixture("openai_audio/speech_error_401")["request"]
    answer = httpx2.Response(200, headers={"content-type": "audio/mpeg"}, content=sound)
    assert send("https://api.openai.com/v1/audio/speech", json_body=body, answer=answer) == sound
    _, found = span_of(capturing)
    assert (found[a.OUTPUT_TYPE], found[a.USAGE_STATUS]) == ("speech", u.MISSING)
    assert "Good morning." in found[a.INPUT_MESSAGES]


def test_a_moderation_is_no_call(recorded: Recorded) -> None:
    answer = httpx2.Response(200, json={"id": "modr-1", "model": "omni-moderation-latest", "results": []})
    body = {"model": "omni-moderation-latest", "input": "hello"}
    send("https://api.openai.com/v1/moderations", json_body=body, answer=answer)
    assert recorded.spans() == []


@pytest.mark.parametrize("streams", [False, True])
def test_pictures_never_enter_a_span(capturing: Recorded, streams: bool) -> None:
    usage = {"input_tokens": 12, "output_tokens": 272, "input_tokens_details": {"image_tokens": 0, "text_tokens": 12}}
    if streams:
        events = [
            {"type": "image_generation.partial_image", "b64_json": PICTURE, "partial_image_index": 0},
            {"type": "image_generation.completed", "b64_json": PICTURE, "output_format": "png", "usage": usage},
        ]
        written = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        answer = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=written)
    else:
        whole = {"data": [{"b64_json": PICTURE}], "output_format": "png", "usage": usage}
        answer = httpx2.Response(200, json=whole)
    body = {"model": "gpt-image-1", "prompt": "a red kite", "stream": streams}
    send("https://api.openai.com/v1/images/generations", json_body=body, answer=answer)
    _, found = span_of(capturing)
    assert PICTURE not in str(found)
    (message,) = json.loads(found[a.OUTPUT_MESSAGES])
    (part,) = message["parts"]
    assert (part["type"], part["mime_type"], part["size_bytes"]) == ("blob", "image/png", 19)
    assert u.from_attributes(found) == Usage(input_tokens=12, output_tokens=272, image_input_tokens=0)
    assert found[a.USAGE_STATUS] == u.REPORTED


# --- SDKs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["Cerebras", "AsyncFireworks", "Groq", "AsyncOpenAI", "Perplexity", "AsyncTogether"])
def test_an_official_sdk_is_known_on_any_host(client: str) -> None:
    headers = {"x-stainless-lang": "python", "user-agent": f"{client}/Python 1.7.0"}
    assert is_marked(headers)
    assert not is_marked({"user-agent": headers["user-agent"]})
    assert not is_marked({**headers, "user-agent": "Cloudflare/Python 4.3.1"})


def test_every_row_has_what_it_needs() -> None:
    assert is_marked({"user-agent": "speakeasy-sdk/python 1.3.84 2.914.0 1.0.0 openrouter"})
    assert not is_marked({"user-agent": "speakeasy-sdk/python 1.0.0 2.914.0 1.0.0 somebody"})
    assert all(MARKERS.values())
    assert all("/" not in host and host == host.lower() for host in HOSTS)

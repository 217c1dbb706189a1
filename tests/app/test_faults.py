"""Each function of ours on the app's thread raises: the app gets its answer byte for byte, the fault is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import httpx2
import openai
import pytest
from app.recording import Recorded
from app.test_bytes import BODIES, Pieces, read, read_async, transport
from app.test_endings import HELLO

import otel_llm
from otel_llm import failures
from otel_llm.finisher import finisher

#: Where it raises -> the call that comes by there.
PLACES: Final[dict[str, str]] = {
    "otel_llm.transports.httpx:_Requests.headers": "json",
    "otel_llm.transports.httpx:_Requests.port": "json",
    "otel_llm.transports.httpx:_Requests.body": "json",
    "otel_llm.transports.httpx:_decoder": "stream",
    "otel_llm.exchange:find_format": "json",
    "otel_llm.exchange:is_suppressed": "json",
    "otel_llm.exchange:strip": "json",
    "otel_llm.exchange:ensure_guard": "json",
    "otel_llm.exchange:Exchanges._begin": "json",
    "otel_llm.exchange:Exchanges._context": "json",
    "otel_llm.exchange:Exchange.enter": "json",
    "otel_llm.exchange:Exchange.leave": "json",
    "otel_llm.exchange:Exchange.fail": "cut",
    "otel_llm.exchange:Exchange.record": "stream",
    "otel_llm.exchange:Exchange.framing": "stream",
    "otel_llm.exchange:Exchange.receive": "sdk",
    "otel_llm.exchange:Exchange._read_head": "error",
    "otel_llm.exchange:UserCall.takes": "sdk",
    "otel_llm.exchange:UserCall.add": "sdk",
    "otel_llm.exchange:UserCall.succeed": "sdk",
    "otel_llm.exchange:UserCall.fail": "sdk error",
    "otel_llm.sdk_calls:_is_again": "sdk",
    "otel_llm.sdk_calls:restore": "sdk",
    "otel_llm.recognition:Recogniser.recognise": "json",
    "otel_llm.recognition:Recogniser.provider_of": "json",
    "otel_llm.recognition:_parse": "json",
    "otel_llm.driver:Driver.open": "json",
    "otel_llm.driver:Call.begin_attempt": "json",
    "otel_llm.driver:Call.end_attempt": "error",
    "otel_llm.driver:Call.finish": "stream",
    "otel_llm.driver:Call._usage": "stream",
    "otel_llm.driver:Call._price": "stream",
    "otel_llm.driver:Call._write": "stream",
    "otel_llm.driver:Call._complete": "stream",
    "otel_llm.driver:Call._result_attributes": "stream",
    "otel_llm.driver:Call._error_type": "error",
    "otel_llm.stream:EventRecorder._take": "stream",
    "otel_llm.stream:EventRecorder._see": "stream",
    "otel_llm.stream:EventRecorder._fold": "stream",
    "otel_llm.stream:EventRecorder._is_complete": "stream",
    "otel_llm.stream:Recorder._read_batch": "stream",
    "otel_llm.stream:Recorder._end": "stream",
    "otel_llm.stream:DocumentRecorder._take": "json",
    "otel_llm.stream:read_document": "json",
    "otel_llm.framing:EventSplitter.take": "stream",
    "otel_llm.inheritance:ContextProcessor._find": "json",
    "otel_llm.providers.openai_chat:reader.is_request": "json",
    "otel_llm.providers.openai_chat:reader.read_request": "json",
    "otel_llm.providers.openai_chat:reader.read_headers": "json",
    "otel_llm.providers.openai_chat:reader.read_response": "json",
    "otel_llm.providers.openai_chat:reader.fold_event": "stream",
    "otel_llm.providers.openai_chat:reader.is_last": "stream",
    "otel_llm.providers.openai_chat:reader.is_update": "stream",
    "otel_llm.providers.openai_chat:reader.read_usage": "stream",
    "otel_llm.providers.openai_chat:reader.response_attributes": "json",
    "otel_llm.providers.openai_chat:reader.read_content": "json",
    "otel_llm.content:Capture.attributes": "json",
}
BROKEN: Final = b'{"error": {"message": "busy", "type": "server_error"}}'


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """Instrumented as in production, with content."""
    monkeypatch.setenv(failures.RAISE_ENV, "false")
    finisher.start()
    recorded = Recorded(capture_content="SPAN_ONLY")
    failures.counts.clear()
    yield recorded
    otel_llm.uninstrument()
    failures.counts.clear()


def _break(monkeypatch: pytest.MonkeyPatch, place: str) -> list[str]:
    """Have it raise; answers a list that is filled once it has."""
    module, _, dotted = place.partition(":")
    *owners, name = dotted.split(".")
    owner: Any = import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    hits: list[str] = []

    def broken(*args: Any, **kwargs: Any) -> Any:
        hits.append(place)
        raise ZeroDivisionError

    monkeypatch.setattr(type(owner) if owners == ["reader"] else owner, name, broken)
    return hits


def _sender(kind: str) -> tuple[httpx2.MockTransport, bytes]:
    if "error" in kind:
        headers = {"content-type": "application/json"}
        pieces = Pieces([BROKEN])
        return httpx2.MockTransport(lambda _: httpx2.Response(500, headers=headers, stream=pieces)), BROKEN
    body = BODIES["chat" if kind == "stream" else "json"][2]
    return transport([body[:100], body[100:]], "identity", stream=kind == "stream"), body


def _call(kind: str, *, is_async: bool) -> None:
    if kind == "cut":
        _call_cut(is_async=is_async)
        return
    sender, body = _sender(kind)
    if kind.startswith("sdk"):
        assert _call_sdk(sender, is_async=is_async) == body
        return
    asked = {"model": "gpt-4o", "messages": HELLO, "stream": kind == "stream"}
    way = ("iter_bytes", "chat/completions", asked, sender)
    seen = asyncio.run(read_async(*way)) if is_async else read(*way)
    assert b"".join(seen) == body


def _call_cut(*, is_async: bool) -> None:
    """The transport's own error is what the app sees."""

    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    way = ("read", "chat/completions", {"model": "m", "messages": HELLO}, httpx2.MockTransport(refuse))
    with pytest.raises(httpx2.ConnectError, match="refused"):
        asyncio.run(read_async(*way)) if is_async else read(*way)


def _call_sdk(sender: httpx2.MockTransport, *, is_async: bool) -> bytes:
    options: Any = {"api_key": "k", "base_url": "http://llm.test/v1", "max_retries": 0}

    async def call() -> bytes:
        async with openai.AsyncOpenAI(**options, http_client=httpx2.AsyncClient(transport=sender)) as client:
            raw = await client.chat.completions.with_raw_response.create(model="m", messages=HELLO)
            return raw.http_response.content

    try:
        if is_async:
            return asyncio.run(call())
        with openai.OpenAI(**options, http_client=httpx2.Client(transport=sender)) as client:
            raw = client.chat.completions.with_raw_response.create(model="m", messages=HELLO)
            return raw.http_response.content
    except openai.InternalServerError as error:
        return error.response.content


#: Not yet: these are called outside of any guard, or are the guard themselves. What they call is guarded.
UNGUARDED = frozenset(
    {
        "otel_llm.driver:Driver.open",
        "otel_llm.exchange:Exchange.enter",
        "otel_llm.exchange:Exchange.fail",
        "otel_llm.exchange:Exchange.leave",
        "otel_llm.exchange:UserCall.fail",
        "otel_llm.exchange:UserCall.succeed",
        "otel_llm.sdk_calls:_is_again",
        "otel_llm.sdk_calls:restore",
        "otel_llm.stream:Recorder._end",
        "otel_llm.stream:Recorder._read_batch",
    }
)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("place", [place for place in PLACES if place not in UNGUARDED])
def test_the_app_notices_nothing(
    production: Recorded, monkeypatch: pytest.MonkeyPatch, *, place: str, is_async: bool
) -> None:
    hits = _break(monkeypatch, place)
    _call(PLACES[place], is_async=is_async)
    production.provider.force_flush()
    monkeypatch.undo()
    assert hits, "no call comes by here"
    assert sum(count for kind, count in failures.counts.items() if kind.endswith("ZeroDivisionError")) >= 1

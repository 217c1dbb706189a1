"""lm15's transports, DSPy's copy and the package itself: every way an answer can end, sync and async."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from typing import Any

import pytest
from app.recording import Recorded
from opentelemetry.trace import StatusCode
from sdks.agreement import calls, one_call

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = [
    pytest.mark.sdk("lm15"),
    pytest.mark.parametrize("module", ["dspy._vendor.lm15.transports", "lm15.transports"]),
    pytest.mark.parametrize("is_async", [False, True]),
]


class Asker:
    """Sends one chat request, and reads what comes until it has enough."""

    def __init__(self, module: str, standin: Standin, *, is_async: bool) -> None:
        self._transports = import_module(module)
        self._url = f"{standin.openai_url}/chat/completions"
        self._is_async = is_async

    def ask(self, chunks_max: int | None = None, model: str = "gpt-4o-mini", **body: Any) -> bytes:
        """The body that was read; None is all of it."""
        written = {"model": model, "messages": [{"role": "user", "content": "hello"}], **body}
        headers: list[tuple[str, str]] = [("content-type", "application/json")]
        headers.append(("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        request = self._transports.TransportRequest("POST", self._url, headers, json.dumps(written).encode())
        if self._is_async:
            return asyncio.run(self._ask_async(request, chunks_max))
        with self._transports.StdlibTransport() as transport, transport.stream(request) as response:
            read = []
            for chunk in response:
                read.append(chunk)
                if len(read) == chunks_max:
                    break
            return b"".join(read)

    async def _ask_async(self, request: Any, chunks_max: int | None) -> bytes:
        async with self._transports.StdlibAsyncTransport() as transport, transport.stream(request) as response:
            read = []
            async for chunk in response:
                read.append(chunk)
                if len(read) == chunks_max:
                    break
            return b"".join(read)


@pytest.fixture
def asker(module: str, standin: Standin, is_async: bool) -> Asker:
    return Asker(module, standin, is_async=is_async)


@pytest.mark.feature("chat")
def test_a_document(recorded: Recorded, standin: Standin, asker: Asker) -> None:
    answer = json.loads(asker.ask())
    found = one_call(recorded, standin, operation="chat", provider="openai")
    assert found[a.RESPONSE_ID] == answer["id"]
    assert found[a.SERVER_ADDRESS] == "127.0.0.1"
    assert "traceparent" not in {name.lower() for name, _ in standin.calls[0].headers}


@pytest.mark.feature("stream")
def test_a_stream(recorded: Recorded, standin: Standin, asker: Asker) -> None:
    read = asker.ask(stream=True, stream_options={"include_usage": True})
    assert read.endswith(b"data: [DONE]\n\n")
    one_call(recorded, standin, operation="chat", provider="openai")


@pytest.mark.feature("endings")
def test_a_stream_closed_early_is_partial(recorded: Recorded, standin: Standin, asker: Asker) -> None:
    asker.ask(chunks_max=1, stream=True, stream_options={"include_usage": True})
    (call,) = calls(recorded)
    assert call.status.status_code is StatusCode.UNSET
    assert (call.attributes or {})[a.USAGE_STATUS] == "partial"


@pytest.mark.feature("endings")
def test_a_cut_connection_is_an_error(recorded: Recorded, standin: Standin, asker: Asker, module: str) -> None:
    with pytest.raises(import_module(module).TransportError):
        asker.ask(model="standin-cut", stream=True)
    (call,) = calls(recorded)
    assert call.status.status_code is StatusCode.ERROR


@pytest.mark.feature("errors")
def test_a_refusal(recorded: Recorded, standin: Standin, asker: Asker) -> None:
    assert b"error" in asker.ask(model="standin-400")
    (call,) = calls(recorded)
    assert (call.attributes or {})[a.HTTP_STATUS] == 400
    assert call.status.status_code is StatusCode.ERROR


@pytest.mark.feature("errors")
def test_no_connection(recorded: Recorded, standin: Standin, asker: Asker, module: str) -> None:
    standin.close()
    with pytest.raises(import_module(module).TransportError):
        asker.ask()
    (call,) = calls(recorded)
    assert (call.attributes or {})[a.ERROR_TYPE] == "ConnectError"

"""However a body is encoded, cut and read: the app gets the bytes that were sent, and we one span with its usage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import httpx2
import pytest
from app.keptserver import ENCODINGS
from app.recording import Recorded
from app.test_endings import EVENTS, HELLO, MESSAGE, WHOLE, event

from otel_llm_semconv import attributes as a

RESPONSE: Final = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-4o", "output": []}
RESPONSE_USAGE: Final = {"input_tokens": 50, "output_tokens": 20, "total_tokens": 70}
RESPONSES: Final = [
    event("response.created", response={**RESPONSE, "status": "in_progress", "usage": None}),
    event("response.output_text.delta", item_id="m", output_index=0, content_index=0, delta="hél"),
    event("response.output_text.delta", item_id="m", output_index=0, content_index=0, delta="lo"),
    event("response.completed", response={**RESPONSE, "status": "completed", "usage": RESPONSE_USAGE}),
]
COMPLETION: Final = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hél\nlo"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 50, "completion_tokens": 20, "total_tokens": 70},
}
#: Path, whether it streams, the body, and the usage in it.
BODIES: Final[dict[str, tuple[str, bool, bytes, tuple[int, int]]]] = {
    "chat": ("chat/completions", True, b"".join(WHOLE), (50, 20)),
    "responses": ("responses", True, b"".join(RESPONSES), (50, 20)),
    "messages": ("messages", True, b"".join(MESSAGE), (512, 200)),
    "json": ("chat/completions", False, json.dumps(COMPLETION, ensure_ascii=False).encode(), (50, 20)),
}
SIZES: Final = (1, 2, 3, 7, 16, 40, 200, 1_000_000)
METHODS: Final = ("read", "iter_bytes", "iter_raw", "iter_lines", "iter_text")


class Pieces(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that comes in these pieces, for either kind of client."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def transport(pieces: list[bytes], encoding: str, *, stream: bool) -> httpx2.MockTransport:
    headers = {"content-type": EVENTS if stream else "application/json", "content-encoding": encoding}
    return httpx2.MockTransport(lambda _: httpx2.Response(200, headers=headers, stream=Pieces(pieces)))


def read(method: str, path: str, asked: Any, sender: httpx2.MockTransport) -> list[Any]:
    with (
        httpx2.Client(transport=sender) as client,
        client.stream("POST", f"http://llm.test/v1/{path}", json=asked) as response,
    ):
        return [response.read()] if method == "read" else list(getattr(response, method)())


async def read_async(method: str, path: str, asked: Any, sender: httpx2.MockTransport) -> list[Any]:
    async with (
        httpx2.AsyncClient(transport=sender) as client,
        client.stream("POST", f"http://llm.test/v1/{path}", json=asked) as response,
    ):
        if method == "read":
            return [await response.aread()]
        return [piece async for piece in getattr(response, "a" + method)()]


def expected(method: str, body: bytes, pieces: list[bytes]) -> Any:
    if method == "iter_raw":
        return pieces
    if method == "iter_lines":
        return body.decode().splitlines()
    return body.decode() if method == "iter_text" else body


def joined(method: str, seen: list[Any]) -> Any:
    if method in ("iter_raw", "iter_lines"):
        return seen
    return ("" if method == "iter_text" else b"").join(seen)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("content", ["NO_CONTENT", "SPAN_ONLY"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("wire", BODIES)
def test_every_cut_and_every_way_to_read(
    request: pytest.FixtureRequest, *, wire: str, encoding: str, content: str, is_async: bool
) -> None:
    recorded: Recorded = request.getfixturevalue("recorded" if content == "NO_CONTENT" else "capturing")
    path, stream, body, usage = BODIES[wire]
    raw = ENCODINGS[encoding](body)
    asked = {"model": "gpt-4o", "messages": HELLO, "input": "hello", "stream": stream, "max_tokens": 9}
    for size in SIZES:
        pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
        for method in METHODS:
            sender = transport(pieces, encoding, stream=stream)
            if is_async:
                seen = asyncio.run(read_async(method, path, asked, sender))
            else:
                seen = read(method, path, asked, sender)
            assert joined(method, seen) == expected(method, body, pieces), (size, method)
            (span,) = recorded.spans()
            found = dict(span.attributes or {})
            said = (found.get(a.USAGE_INPUT_TOKENS), found.get(a.USAGE_OUTPUT_TOKENS), found[a.USAGE_STATUS])
            assert said == (*usage, "reported"), (size, method)
            recorded.exporter.clear()

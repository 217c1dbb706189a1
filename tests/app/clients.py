"""The clients that the paths are walked with, in both colours, and what each shows of what it got."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

import anthropic
import httpx2
import openai
from app.answers import GEMINI
from app.endings import AsyncEnding, Ending
from app.paths import Row, Scene

GENERATE_URL: Final = f"/v1beta/models/{GEMINI}:generateContent"
STREAM_URL: Final = f"/v1beta/models/{GEMINI}:streamGenerateContent?alt=sse"
GENERATE_ASKED: Final = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}


class Events:
    """An app's own reader of Gemini's events: no SDK of Google's is needed for it."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response

    def __iter__(self) -> Iterator[Any]:
        for line in self.response.iter_lines():
            if line:
                yield json.loads(line.removeprefix("data: "))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.response.close()


class AsyncEvents:
    """The same, asynchronous."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for line in self.response.aiter_lines():
            if line:
                yield json.loads(line.removeprefix("data: "))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self.response.aclose()


class Gemini(httpx2.Client):
    """An app's own client."""

    def generate(self) -> Any:
        return self.post(GENERATE_URL, json=GENERATE_ASKED)

    def stream_events(self) -> Any:
        return Events(self.send(self.build_request("POST", STREAM_URL, json=GENERATE_ASKED), stream=True))


class AsyncGemini(httpx2.AsyncClient):
    """The same, asynchronous."""

    def generate(self) -> Any:
        return self.post(GENERATE_URL, json=GENERATE_ASKED)

    async def stream_events(self) -> Any:
        return AsyncEvents(await self.send(self.build_request("POST", STREAM_URL, json=GENERATE_ASKED), stream=True))


Make = Callable[..., Any]
Way = Callable[[Any], Any]


@dataclass(frozen=True)
class Clients:
    """How a client is made in both colours: from the provider's URL and options of a row."""

    sync: Make
    asynchronous: Make

    def app(self, way: Way, ending: Ending, **options: Any) -> Callable[[Scene], Any]:
        """The app that opens its call with `way` and ends it so."""

        def run(scene: Scene) -> None:
            with self.sync(scene.server.url, **options) as client:
                ending(scene, lambda: way(client))

        return run

    def async_app(self, way: Way, ending: AsyncEnding, **options: Any) -> Callable[[Scene], Any]:
        """The same, asynchronous."""

        async def run(scene: Scene) -> None:
            async with self.asynchronous(scene.server.url, **options) as client:
                await ending(scene, lambda: way(client))

        return run


#: Made once: it takes ten times as long as a call.
TLS: Final = httpx2.create_ssl_context()


def _openai(kind: Any, http: Any) -> Make:
    return lambda url, **options: kind(
        api_key="k", base_url=url + "/v1", http_client=http(verify=TLS), **{"max_retries": 0, **options}
    )


def _anthropic(kind: Any, http: Any) -> Make:
    return lambda url, **options: kind(
        api_key="k", base_url=url, http_client=http(verify=TLS), **{"max_retries": 0, **options}
    )


def _gemini(kind: Any) -> Make:
    return lambda url, **options: kind(base_url=url, verify=TLS, **options)


OPENAI: Final = Clients(
    _openai(openai.OpenAI, openai.DefaultHttpxClient), _openai(openai.AsyncOpenAI, openai.DefaultAsyncHttpxClient)
)
ANTHROPIC: Final = Clients(
    _anthropic(anthropic.Anthropic, anthropic.DefaultHttpxClient),
    _anthropic(anthropic.AsyncAnthropic, anthropic.DefaultAsyncHttpxClient),
)
RAW: Final = Clients(_gemini(Gemini), _gemini(AsyncGemini))


def both(
    name: str, clients: Clients, way: Way, ending: Any, *, returns: str | tuple[str | None, str | None], **row: Any
) -> list[Row]:
    """A row in both colours. `returns` names one type, or one each; `client` is what the clients are told."""
    kinds = returns if isinstance(returns, tuple) else (returns, returns)
    options = row.pop("client", {})
    apps = clients.app(way, ending[0], **options), clients.async_app(way, ending[1], **options)
    return [
        Row(name=f"{name}, {colour}", app=app, returns=kind, **row)
        for colour, app, kind in zip(("sync", "async"), apps, kinds, strict=True)
    ]


def chat_piece(piece: Any) -> str:
    """Of a chunk: its text, why it stopped, or that it brings the usage."""
    if not piece.choices:
        return "usage"
    (choice,) = piece.choices
    return str(choice.delta.content or choice.finish_reason)


def typed_piece(piece: Any) -> str:
    """Of an event of the other two SDKs: its text, else its type."""
    delta = getattr(piece, "delta", None)
    text = delta if isinstance(delta, str) else getattr(delta, "text", None)
    return str(text or piece.type)


def generated_piece(piece: Any) -> str:
    """Of an event of Gemini's: its text, else its error."""
    if "error" in piece:
        return str(piece["error"]["status"])
    return str(piece["candidates"][0]["content"]["parts"][0]["text"])

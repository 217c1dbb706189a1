"""Opt-in: asking for the usage of a stream that the app did not ask for, without the app noticing.

OpenAI's chat and text completions report a stream's usage only in one more chunk, and only where
`stream_options.include_usage` asks for it. The request is sent with that option; the chunk is read and left out of
what the app sees. The body is asked for uncompressed, as a chunk can only be left out of plain text. A server that
refuses is asked again as the app asked, and not bothered for that model any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from .failures import swallow
from .framing import event_data
from .recognition import Target
from .wire import parse

#: Wire formats whose servers know the option.
FORMATS: Final = frozenset({"openai_chat", "openai_completions"})
_OPTIONS: Final = "stream_options"
#: How a server answers a field that it does not know.
_REFUSALS: Final = (400, 422)
_REFUSING_MAX: Final = 1024
_HELD_BYTES_MAX: Final = 1024 * 1024


_refusing: Final[set[tuple[str, object]]] = set()  # host and model: behind one host may be many servers


class Asking:
    """A request that left with the option. `put_back` makes it what the app had written."""

    __slots__ = ("_put_back", "_who", "was_refused")

    def __init__(self, host: str, model: object, put_back: Callable[[], None]) -> None:
        self._who = host, model
        self._put_back = put_back
        self.was_refused = False

    def is_refused(self, status: int) -> bool:
        """True for an answer that may be no more than a refusal of the option: the request is the app's own again."""
        if status not in _REFUSALS:
            return False
        self._put_back()
        self.was_refused = True
        return True

    def learn(self, status: int) -> None:
        """The app's own request was answered with this."""
        if status < 400:
            self.give_up()

    def give_up(self) -> None:
        """Do not ask for this model there any more."""
        if len(_refusing) < _REFUSING_MAX:
            _refusing.add(self._who)


def with_usage(target: Target, host: str) -> bytes | None:
    """The request's body with the option; None where it does not stream, is not known or says something itself."""
    body = target.body
    if (host, body.get("model")) in _refusing:
        return None
    if target.wire_format not in FORMATS or body.get("stream") is not True or not body.get("model"):
        return None
    if _OPTIONS in body or not ("messages" in body or "prompt" in body):
        return None
    return json.dumps({**body, _OPTIONS: {"include_usage": True}}, ensure_ascii=False).encode()


class UsageFilter:
    """Passes the bytes of a stream on, event by event, but for the chunk with nothing but usage.

    Never raises: after a fault of ours all bytes pass as they are.
    """

    def __init__(self) -> None:
        self._held = b""
        self._is_done = False

    def take(self, chunk: bytes) -> bytes:
        """What the app may see of what has come so far."""
        data, self._held = self._held + chunk, b""
        try:
            return data if self._is_done else self._without_usage(data[: self._hold(data)])
        except Exception as error:
            self._is_done, self._held = True, b""
            swallow("hiding usage", error)
            return data

    def _hold(self, data: bytes) -> int:
        """Where the last whole event ends; what is behind it waits, unless that is too much."""
        end = data.rfind(b"\n\n") + 2
        end = max(end if end > 1 else 0, data.rfind(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else 0)
        if not end and len(data) > _HELD_BYTES_MAX:
            self._is_done = True
            return len(data)
        self._held = data[end:]
        return end

    def rest(self) -> bytes:
        """What is left at the end of the body."""
        held, self._held = self._held, b""
        return held

    def _without_usage(self, events: bytes) -> bytes:
        if b'"usage"' not in events:
            return events
        separator = b"\r\n\r\n" if b"\r\n\r\n" in events else b"\n\n"
        blocks = events.split(separator)
        kept = [block for block in blocks if not self._is_usage(block)]
        return events if len(kept) == len(blocks) else separator.join(kept)

    def _is_usage(self, block: bytes) -> bool:
        if self._is_done or b'"usage"' not in block or b'"choices"' not in block:
            return False
        event = parse(event_data(block.replace(b"\r\n", b"\n")))
        self._is_done = event.get("choices") == [] and isinstance(event.get("usage"), dict)
        return self._is_done


def hidden(content: bytes) -> bytes:
    """A whole stream without the chunk."""
    usage = UsageFilter()
    return usage.take(content) + usage.rest()

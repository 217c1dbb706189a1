"""The rows of the table for each way that a stream can end, in each wire format."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import anthropic
import httpx2
import openai
from app import answers, endings
from app import path_asks as asks
from app.answers import CHAT, GENERATE, MESSAGES, NONE, RESPONSES, Wire, holds, silence, streams
from app.clients import ANTHROPIC, OPENAI, RAW, Clients, Way, both, chat_piece, generated_piece, typed_piece
from app.paths import Row, Truth
from app.rawserver import Reply

from otel_llm_semconv.usage import MISSING, PARTIAL

TIMEOUT_S: Final = 0.3


@dataclass(frozen=True)
class Streamed:
    """One format's stream as its client gives it, and what a broken one raises there."""

    clients: Clients
    wire: Wire
    way: Way
    returns: tuple[str, str]
    said: Callable[[Any], Any]
    begun: tuple[str, ...]
    rest: tuple[str, ...]
    cut: type[BaseException]
    timeout: type[BaseException]
    broken: type[BaseException] | None  # None where the client passes the event on
    broken_sees: tuple[str, ...] = ()


STREAMED: Final = {
    "chat": Streamed(
        OPENAI,
        CHAT,
        asks.chat_stream,
        asks.STREAM,
        chat_piece,
        ("one ", "two"),
        ("stop", "usage"),
        cut=openai.APIConnectionError,
        timeout=openai.APITimeoutError,
        broken=openai.APIError,
    ),
    "responses": Streamed(
        OPENAI,
        RESPONSES,
        asks.respond_stream,
        asks.STREAM,
        typed_piece,
        ("response.created", "response.output_item.added", "response.content_part.added", "one ", "two"),
        ("response.output_text.done", "response.completed"),
        cut=openai.APIConnectionError,
        timeout=openai.APITimeoutError,
        broken=None,
        broken_sees=("error",),
    ),
    "messages": Streamed(
        ANTHROPIC,
        MESSAGES,
        asks.speak_stream,
        asks.STREAM,
        typed_piece,
        ("message_start", "content_block_start", "one ", "two"),
        ("content_block_stop", "message_delta", "message_stop"),
        cut=httpx2.ReadError,
        timeout=httpx2.ReadTimeout,
        broken=anthropic.APIStatusError,
    ),
    "gemini": Streamed(
        RAW,
        GENERATE,
        lambda c: c.stream_events(),
        ("Events", "AsyncEvents"),
        generated_piece,
        ("one ", "two"),
        ("",),
        cut=httpx2.ReadError,
        timeout=httpx2.ReadTimeout,
        broken=None,
        broken_sees=("UNAVAILABLE",),
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What comes of an ending."""

    sees: tuple[str, ...]
    truth: Truth
    raises: type[BaseException] | None = None


def whole(s: Streamed) -> Outcome:
    return Outcome(s.begun + s.rest, Truth(s.wire.usage, finish=s.wire.finish))


def unread(s: Streamed) -> Outcome:
    return Outcome((), Truth(NONE, PARTIAL))


def begun(s: Streamed) -> Outcome:
    return Outcome(s.begun, Truth(s.wire.begun_usage, PARTIAL))


def failing(s: Streamed) -> Outcome:
    """The app's fault is none of the call's."""
    return replace(begun(s), raises=endings.AppError)


def error(s: Streamed, name: str, raises: type[BaseException] | None) -> Outcome:
    return Outcome(s.begun, Truth(s.wire.begun_usage, PARTIAL, error=name), raises)


def cut(s: Streamed) -> Outcome:
    return error(s, "ReadError", s.cut)


def broken_off(s: Streamed) -> Outcome:
    raises = s.cut if s.cut is openai.APIConnectionError else httpx2.RemoteProtocolError
    return error(s, "RemoteProtocolError", raises)


def broken(s: Streamed) -> Outcome:
    found = error(s, s.wire.error_type, s.broken)
    return replace(found, sees=s.begun + s.broken_sees, truth=replace(found.truth, message="broke"))


def timed_out(s: Streamed) -> Outcome:
    return error(s, "ReadTimeout", s.timeout)


def cancelled(s: Streamed) -> Outcome:
    return error(s, "CancelledError", asyncio.CancelledError)


#: Name: how the app ends it, sync and async; what the provider sends; what comes of it.
ENDINGS: Final[dict[str, tuple[Any, Callable[[Wire], Reply], Callable[[Streamed], Outcome]]]] = {
    "exhausted": (endings.EXHAUST, lambda w: streams(*w.events), whole),
    "never read": (endings.KEEP_UNREAD, lambda w: streams(*w.events), unread),
    "collected unread": (endings.DROP_UNREAD, lambda w: streams(*w.events), unread),
    "collected half read": (endings.DROP, lambda w: holds(*w.begun), begun),
    "closed early": (endings.CLOSE, lambda w: holds(*w.begun), begun),
    "left with break inside with": (endings.LEAVE, lambda w: holds(*w.begun), begun),
    "a fault in the app's loop": (endings.FAIL, lambda w: holds(*w.begun), begun),
    "a fault in the app's loop inside with": (endings.FAIL_INSIDE, lambda w: holds(*w.begun), failing),
    "cut": (endings.EXHAUST, lambda w: answers.cuts(*w.begun), cut),
    "broken off between chunks": (endings.EXHAUST, lambda w: answers.breaks_off(*w.begun), broken_off),
    "error event": (endings.EXHAUST, lambda w: streams(*w.begun, w.error), broken),
}


def ended(name: str, s: Streamed, ending: Any, reply: Reply, outcome: Outcome, **more: Any) -> list[Row]:
    """A stream that ends so, in both colours."""
    return both(
        name,
        s.clients,
        s.way,
        ending,
        returns=s.returns,
        replies=(reply,),
        truth=outcome.truth,
        sees=outcome.sees,
        raises=outcome.raises,
        **{"said": s.said, "begun": len(s.begun), **more},
    )


def ending_rows(wire: str, s: Streamed) -> list[Row]:
    rows: list[Row] = []
    for name, (ending, reply, outcome) in ENDINGS.items():
        rows += ended(f"{wire} stream: {name}", s, ending, reply(s.wire), outcome(s))
    return [*rows, *end_mark_rows(wire, s), *timeout_rows(wire, s), *cancel_rows(wire, s)]


def end_mark_rows(wire: str, s: Streamed) -> list[Row]:
    """The last event is here, the end of the body is not; OpenAI's client stops at `[DONE]`. Gemini has no mark."""
    if wire == "gemini":
        return []
    ending = endings.EXHAUST if wire == "chat" else endings.STOP
    return ended(
        f"{wire} stream: read to its last event only",
        s,
        ending,
        holds(*s.wire.events),
        whole(s),
        begun=len(s.begun + s.rest),
    )


def timeout_rows(wire: str, s: Streamed) -> list[Row]:
    """Of both colours one each, as they take their time."""
    rows = ended(
        f"{wire} stream: timeout",
        s,
        endings.EXHAUST,
        holds(*s.wire.begun),
        timed_out(s),
        client={"timeout": TIMEOUT_S},
    )
    return {"chat": rows[:1], "responses": rows[1:], "messages": rows[:1], "gemini": rows[1:]}[wire]


def cancel_rows(wire: str, s: Streamed) -> list[Row]:
    outcome = cancelled(s)
    half_read = Row(
        f"{wire} stream: cancelled half read",
        s.clients.async_app(s.way, endings.cancel),
        (holds(*s.wire.begun),),
        outcome.truth,
        s.returns[1],
        outcome.sees,
        outcome.raises,
        s.said,
        len(s.begun),
    )
    return [half_read, cancelled_early(f"{wire} stream", s.clients, s.way)]


def cancelled_early(name: str, clients: Clients, way: Way) -> Row:
    """The app's task is cancelled while the provider says nothing."""
    app = clients.async_app(way, endings.cancel_unanswered)
    truth = Truth(NONE, MISSING, error="CancelledError")
    return Row(f"{name}: cancelled before the headers", app, (silence,), truth, None, (), raises=asyncio.CancelledError)


ROWS: Final = [row for wire, streamed in STREAMED.items() for row in ending_rows(wire, streamed)]

"""The rows of the table for what goes wrong: refusals, retries, silence, and streams that fail within a helper."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import anthropic
import httpx2
import openai
from app import answers, endings
from app import path_asks as asks
from app.answers import CHAT, MESSAGES, NONE, RESPONSES, TEXT, WHOLE, cuts, holds, says, silence, streams
from app.clients import ANTHROPIC, OPENAI, RAW, Clients, Way, both, typed_piece
from app.endings import enter, gathered, take
from app.path_calls import ANSWER, text_of
from app.path_endings import STREAMED, TIMEOUT_S, Outcome, cancelled_early, ended
from app.paths import Row, Truth
from app.rawserver import Connection, Reply

from otel_llm_semconv.usage import MISSING, PARTIAL

BAD_KEY: Final = {"error": {"message": "bad key", "type": "invalid_request_error", "code": "invalid_api_key"}}
BAD_KEY_CLAUDE: Final = {"type": "error", "error": {"type": "authentication_error", "message": "bad key"}}
BAD_KEY_GEMINI: Final = {"error": {"code": 401, "message": "bad key", "status": "UNAUTHENTICATED"}}
BUSY: Final = says({"error": {"message": "slow down", "type": "requests"}}, 429, retry_after_ms="1")
BROKEN: Final = says({"error": {"message": "broke", "type": "server_error"}}, 500, retry_after_ms="1")
OVERLOADED: Final = says(
    {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, 529, retry_after_ms="1"
)
TWICE: Final = {"max_retries": 2}


def chat_helper(client: Any) -> Any:
    """It does not ask for usage."""
    return client.chat.completions.stream(**asks.CHAT)


def embed(client: Any) -> Any:
    return client.embeddings.create(model="text-embedding-3-small", input="hello")


def failed(
    name: str,
    clients: Clients,
    way: Way,
    replies: tuple[Reply, ...],
    error: str,
    *,
    raises: type[BaseException] | None,
    ending: Any = ANSWER,
    status: int | None = None,
    attempts: int | None = None,
    **more: Any,
) -> list[Row]:
    """A call that fails before there is any answer."""
    truth = Truth(NONE, MISSING, error=error, http_status=status, attempts=attempts)
    row = {"returns": (None, None), "sees": (), "replies": replies, "truth": truth, "raises": raises, **more}
    return both(name, clients, way, ending, **row)


def refused_rows() -> list[Row]:
    bad, claude, gemini = says(BAD_KEY, 401), says(BAD_KEY_CLAUDE, 401), says(BAD_KEY_GEMINI, 401)
    kind, raises = "invalid_request_error", openai.AuthenticationError
    claude_kind, claude_raises = "authentication_error", anthropic.AuthenticationError
    inside = enter(gathered)
    rows: list[Row] = []
    for name, way, ending in (
        ("chat: 401", asks.chat, ANSWER),
        ("chat: 401 for a stream", asks.chat_stream, ANSWER),
        ("chat: 401 for with_streaming_response", asks.chat_body, inside),
        ("chat: 401 for a helper", chat_helper, inside),
        ("responses: 401", asks.respond, ANSWER),
        ("embeddings: 401", embed, ANSWER),
    ):
        rows += failed(name, OPENAI, way, (bad,), kind, raises=raises, ending=ending, status=401)
    for name, way in (("messages: 401", asks.speak), ("messages: 401 for a stream", asks.speak_stream)):
        rows += failed(name, ANTHROPIC, way, (claude,), claude_kind, raises=claude_raises, status=401)
    return [
        *rows,
        *failed(
            "gemini: 401",
            RAW,
            asks.generate,
            (gemini,),
            "UNAUTHENTICATED",
            raises=None,
            returns="Response",
            sees=(401,),
            ending=take(lambda response: response.status_code),
            status=401,
        ),
    ]


def exhausted_rows() -> list[Row]:
    """What the app calls once is one span, also when no attempt went well."""
    return [
        *failed(
            "chat: 429 until no retry is left",
            OPENAI,
            asks.chat,
            (BUSY,),
            "requests",
            raises=openai.RateLimitError,
            status=429,
            attempts=3,
            client=TWICE,
        ),
        *failed(
            "messages: 529 until no retry is left",
            ANTHROPIC,
            asks.speak,
            (OVERLOADED,),
            "overloaded_error",
            raises=anthropic.OverloadedError,
            status=529,
            attempts=3,
            client=TWICE,
        ),
    ]


def retried(
    name: str, clients: Clients, way: Way, ending: Any, returns: Any, *replies: Reply, **said: Any
) -> list[Row]:
    """What the app calls once is one span: one attempt for each of the replies, the last of which is an answer."""
    truth = Truth(**{"usage": WHOLE, "finish": "stop", "attempts": len(replies), **said})
    row = {"replies": replies, "truth": truth, "returns": returns, "client": TWICE, "sees": (TEXT,), "said": text_of}
    return both(name, clients, way, ending, **row)


def retried_rows() -> list[Row]:
    pieces, parsed = take(gathered), enter(lambda response: response.parse())
    chat, chats = says(CHAT.plain), streams(*CHAT.events)
    response, usage = says(RESPONSES.plain), {"usage": RESPONSES.usage}
    message, messages, finish = says(MESSAGES.plain), streams(*MESSAGES.events), {"finish": MESSAGES.finish}
    return [
        *retried("chat: 500, then an answer", OPENAI, asks.chat, ANSWER, "ChatCompletion", BROKEN, chat),
        *retried("chat: 429, 500, then an answer", OPENAI, asks.chat, ANSWER, "ChatCompletion", BUSY, BROKEN, chat),
        *retried("chat: 500, then a stream", OPENAI, asks.chat_stream, pieces, asks.STREAM, BROKEN, chats),
        *retried("chat: 500, then with_streaming_response", OPENAI, asks.chat_body, parsed, asks.BODY, BROKEN, chat),
        *retried("responses: 500, then an answer", OPENAI, asks.respond, ANSWER, "Response", BROKEN, response, **usage),
        *retried(
            "messages: 529, then an answer", ANTHROPIC, asks.speak, ANSWER, "Message", OVERLOADED, message, **finish
        ),
        *retried(
            "messages: 529, then a stream",
            ANTHROPIC,
            asks.speak_stream,
            pieces,
            asks.STREAM,
            OVERLOADED,
            messages,
            **finish,
        ),
    ]


def unanswered_rows() -> list[Row]:
    """No headers ever come, or a body that is not whole."""
    rows = failed(
        "chat: timeout before the headers",
        OPENAI,
        asks.chat,
        (silence,),
        "APITimeoutError",
        raises=openai.APITimeoutError,
        client={"timeout": TIMEOUT_S},
    )
    for name, clients, way, reply, raises in (
        ("chat: cut before the headers", OPENAI, asks.chat, Connection.cut, openai.APIConnectionError),
        ("messages: cut before the headers", ANTHROPIC, asks.speak, Connection.cut, anthropic.APIConnectionError),
        ("gemini: cut before the headers", RAW, asks.generate, Connection.cut, httpx2.ReadError),
        ("chat: cut within a document", OPENAI, asks.chat, _half, openai.APIConnectionError),
    ):
        rows += failed(name, clients, way, (reply,), raises.__name__, raises=raises)
    return [
        *rows,
        cancelled_early("chat", OPENAI, asks.chat),
        cancelled_early("messages", ANTHROPIC, asks.speak),
        cancelled_early("gemini", RAW, asks.generate),
    ]


def _half(connection: Connection) -> None:
    """A document that ends before its length."""
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")


def helper_rows() -> list[Row]:
    """Streams within a helper: left, failed by the app, broken by the provider."""
    chat_begun = ("chunk", "one ", "chunk", "two")
    respond_begun = STREAMED["responses"].begun
    speak_begun = ("message_start", "content_block_start", "one ", "text", "two", "text")
    rows: list[Row] = []
    for name, clients, way, kind, wire, begun, error in (
        ("chat", OPENAI, chat_helper, asks.CHAT_HELPER, CHAT, chat_begun, openai.APIError),
        ("responses", OPENAI, asks.respond_helper, asks.RESPOND_HELPER, RESPONSES, respond_begun, None),
        ("messages", ANTHROPIC, asks.speak_helper, asks.SPEAK_HELPER, MESSAGES, speak_begun, anthropic.APIStatusError),
        (
            "beta messages",
            ANTHROPIC,
            asks.speak_beta_helper,
            asks.SPEAK_BETA_HELPER,
            MESSAGES,
            speak_begun,
            anthropic.APIStatusError,
        ),
    ):
        partial = Truth(wire.begun_usage, PARTIAL)
        row: Any = {"returns": kind, "sees": begun, "said": typed_piece, "begun": len(begun)}
        held = (holds(*wire.begun),)
        sees = begun if error else (*begun, "error")
        rows += [
            *both(f"{name} helper: left with break", clients, way, endings.LEAVE, replies=held, truth=partial, **row),
            *both(
                f"{name} helper: a fault in the app's loop",
                clients,
                way,
                endings.FAIL_INSIDE,
                replies=held,
                truth=partial,
                raises=endings.AppError,
                **row,
            ),
            *both(
                f"{name} helper: error event",
                clients,
                way,
                endings.EXHAUST_INSIDE,
                replies=(streams(*wire.begun, wire.error),),
                truth=replace(partial, error=wire.error_type, message="broke"),
                raises=error,
                **{**row, "sees": sees},
            ),
        ]
    return rows


def other_rows() -> list[Row]:
    """Streams that end as few do, and an answer that an SDK will not parse."""
    failure = Truth(NONE, MISSING, error="rate_limit_exceeded", message="broke")
    cached = replace(answers.CLAUDE_CACHED, output_tokens=2)
    chats, responds, speaks = STREAMED["chat"], STREAMED["responses"], STREAMED["messages"]
    cut_short = answers.completion('{"word":')
    cut_short["choices"][0]["finish_reason"] = "length"
    return [
        *ended(
            "chat stream: whole without an end mark",
            chats,
            endings.EXHAUST,
            streams(*CHAT.events[:-1]),
            Outcome(chats.begun + chats.rest, Truth(WHOLE, finish="stop")),
        ),
        *ended(
            "responses stream: response.failed",
            responds,
            endings.EXHAUST,
            streams(*RESPONSES.begun, answers.RESPONSE_FAILED),
            Outcome((*responds.begun, "response.failed"), failure),
        ),
        *ended(
            "messages stream: cached, then cut",
            speaks,
            endings.EXHAUST,
            cuts(*answers.messages_begun(**answers.CLAUDE_CACHE)),
            Outcome(speaks.begun, Truth(cached, PARTIAL, error="ReadError"), speaks.cut),
        ),
        *both(
            "chat: parse of an answer that was cut short",
            OPENAI,
            asks.chat_parsed,
            ANSWER,
            replies=(says(cut_short),),
            truth=Truth(WHOLE, error="LengthFinishReasonError", finish="length"),
            returns=(None, None),
            sees=(),
            raises=openai.LengthFinishReasonError,
        ),
    ]


ROWS: Final = [*refused_rows(), *exhausted_rows(), *retried_rows(), *unanswered_rows(), *helper_rows(), *other_rows()]

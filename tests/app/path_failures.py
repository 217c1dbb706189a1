"""The rows of the table for what goes wrong: refusals, retries, silence, and streams that fail within a helper."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final

import anthropic
import httpx2
import openai
from app import answers, endings
from app.answers import CHAT, MESSAGES, NONE, RESPONSES, WHOLE, cuts, holds, is_mute, says, streams
from app.clients import (
    ANTHROPIC,
    CHAT_ASKED,
    CHAT_STREAMED,
    MESSAGE_ASKED,
    OPENAI,
    RAW,
    RESPONSE_ASKED,
    Clients,
    Way,
    both,
    typed_piece,
)
from app.endings import enter, gathered, take
from app.path_calls import ANSWER, STREAM, STREAMING, Word, text_of
from app.path_endings import STREAMED, TIMEOUT_S, Outcome, ended
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


def chat(client: Any) -> Any:
    return client.chat.completions.create(**CHAT_ASKED)


def chat_stream(client: Any) -> Any:
    return client.chat.completions.create(**CHAT_STREAMED)


def chat_helper(client: Any) -> Any:
    return client.chat.completions.stream(**CHAT_ASKED)


def chat_body(client: Any) -> Any:
    return client.chat.completions.with_streaming_response.create(**CHAT_ASKED)


def respond(client: Any) -> Any:
    return client.responses.create(**RESPONSE_ASKED)


def respond_helper(client: Any) -> Any:
    return client.responses.stream(**RESPONSE_ASKED)


def speak(client: Any) -> Any:
    return client.messages.create(**MESSAGE_ASKED)


def speak_stream(client: Any) -> Any:
    return client.messages.create(**MESSAGE_ASKED, stream=True)


def speak_helper(client: Any) -> Any:
    return client.messages.stream(**MESSAGE_ASKED)


def speak_beta_helper(client: Any) -> Any:
    return client.beta.messages.stream(**MESSAGE_ASKED)


def parse(client: Any) -> Any:
    return client.chat.completions.parse(**CHAT_ASKED, response_format=Word)


def embed(client: Any) -> Any:
    return client.embeddings.create(model="text-embedding-3-small", input="hello")


def generate(client: Any) -> Any:
    return client.generate()


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
    name, kind, error = "401", "invalid_request_error", openai.AuthenticationError
    ours: Any = {"status": 401}
    return [
        *failed(f"chat: {name}", OPENAI, chat, (bad,), kind, raises=error, **ours),
        *failed(f"chat: {name} for a stream", OPENAI, chat_stream, (bad,), kind, raises=error, **ours),
        *failed(
            f"chat: {name} for with_streaming_response",
            OPENAI,
            chat_body,
            (bad,),
            kind,
            raises=error,
            ending=enter(gathered),
            **ours,
        ),
        *failed(
            f"chat: {name} for a helper",
            OPENAI,
            chat_helper,
            (bad,),
            kind,
            raises=error,
            ending=enter(gathered),
            **ours,
        ),
        *failed(f"responses: {name}", OPENAI, respond, (bad,), kind, raises=error, **ours),
        *failed(f"embeddings: {name}", OPENAI, embed, (bad,), kind, raises=error, **ours),
        *failed(
            f"messages: {name}",
            ANTHROPIC,
            speak,
            (claude,),
            "authentication_error",
            raises=anthropic.AuthenticationError,
            **ours,
        ),
        *failed(
            f"messages: {name} for a stream",
            ANTHROPIC,
            speak_stream,
            (claude,),
            "authentication_error",
            raises=anthropic.AuthenticationError,
            **ours,
        ),
        *failed(
            f"gemini: {name}",
            RAW,
            generate,
            (gemini,),
            "UNAUTHENTICATED",
            raises=None,
            returns="Response",
            sees=(401,),
            said=lambda response: response,
            ending=take(lambda r: r.status_code),
            **ours,
        ),
    ]


def exhausted_rows() -> list[Row]:
    """What the app calls once is one span, also when no attempt went well."""
    return [
        *failed(
            "chat: 429 until no retry is left",
            OPENAI,
            chat,
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
            speak,
            (OVERLOADED,),
            "overloaded_error",
            raises=anthropic.OverloadedError,
            status=529,
            attempts=3,
            client=TWICE,
        ),
    ]


def retried_rows() -> list[Row]:
    """What the app calls once is one span, however many attempts it takes."""
    twice, thrice = Truth(WHOLE, finish="stop", attempts=2), Truth(WHOLE, finish="stop", attempts=3)
    row: Any = {"client": TWICE, "sees": ("one two",), "said": text_of}
    chats: Any = {**row, "returns": "ChatCompletion"}
    pieces = take(gathered)
    return [
        *both(
            "chat: 500, then an answer", OPENAI, chat, ANSWER, replies=(BROKEN, says(CHAT.plain)), truth=twice, **chats
        ),
        *both(
            "chat: 429, 500, then an answer",
            OPENAI,
            chat,
            ANSWER,
            replies=(BUSY, BROKEN, says(CHAT.plain)),
            truth=thrice,
            **chats,
        ),
        *both(
            "chat: 500, then a stream",
            OPENAI,
            chat_stream,
            pieces,
            replies=(BROKEN, streams(*CHAT.events)),
            truth=twice,
            returns=STREAM,
            **row,
        ),
        *both(
            "chat: 500, then with_streaming_response",
            OPENAI,
            chat_body,
            enter(lambda r: r.parse()),
            replies=(BROKEN, says(CHAT.plain)),
            truth=twice,
            returns=STREAMING,
            **row,
        ),
        *both(
            "responses: 500, then an answer",
            OPENAI,
            respond,
            ANSWER,
            replies=(BROKEN, says(RESPONSES.plain)),
            truth=replace(twice, usage=RESPONSES.usage),
            returns="Response",
            **row,
        ),
        *both(
            "messages: 529, then an answer",
            ANTHROPIC,
            speak,
            ANSWER,
            replies=(OVERLOADED, says(MESSAGES.plain)),
            truth=replace(twice, finish="end_turn"),
            returns="Message",
            **row,
        ),
        *both(
            "messages: 529, then a stream",
            ANTHROPIC,
            speak_stream,
            pieces,
            replies=(OVERLOADED, streams(*MESSAGES.events)),
            truth=replace(twice, finish="end_turn"),
            returns=STREAM,
            **row,
        ),
    ]


def unanswered_rows() -> list[Row]:
    """No headers ever come, or a body that is not whole."""
    slow: Any = {"client": {"timeout": TIMEOUT_S}}
    cancelled = Row(
        "", _no_app, (is_mute,), Truth(NONE, MISSING, error="CancelledError"), None, (), asyncio.CancelledError
    )
    rows = [
        *failed(
            "chat: timeout before the headers",
            OPENAI,
            chat,
            (is_mute,),
            "APITimeoutError",
            raises=openai.APITimeoutError,
            **slow,
        ),
        *failed(
            "chat: cut before the headers",
            OPENAI,
            chat,
            (Connection.cut,),
            "APIConnectionError",
            raises=openai.APIConnectionError,
        ),
        *failed(
            "messages: cut before the headers",
            ANTHROPIC,
            speak,
            (Connection.cut,),
            "APIConnectionError",
            raises=anthropic.APIConnectionError,
        ),
        *failed(
            "gemini: cut before the headers", RAW, generate, (Connection.cut,), "ReadError", raises=httpx2.ReadError
        ),
        *failed(
            "chat: cut within a document",
            OPENAI,
            chat,
            (_half,),
            "APIConnectionError",
            raises=openai.APIConnectionError,
        ),
    ]
    for name, clients, way in (("chat", OPENAI, chat), ("messages", ANTHROPIC, speak), ("gemini", RAW, generate)):
        app = clients.async_app(way, endings.cancel_unanswered)
        rows.append(replace(cancelled, name=f"{name}: cancelled before the headers", app=app))
    return rows


def _half(connection: Connection) -> None:
    """A document that ends before its length."""
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")


def _no_app(scene: Any) -> None:
    raise NotImplementedError


def helper_rows() -> list[Row]:
    """Streams within a helper: left, failed by the app, broken by the provider."""
    chat_begun = ("chunk", "one ", "chunk", "two")
    chats = "ChatCompletionStream", "AsyncChatCompletionStream"
    responds = "ResponseStream", "AsyncResponseStream"
    speaks = "MessageStream", "AsyncMessageStream"
    betas = "BetaMessageStream", "BetaAsyncMessageStream"
    respond_begun = STREAMED["responses"].begun
    speak_begun = ("message_start", "content_block_start", "one ", "text", "two", "text")
    rows: list[Row] = []
    for name, clients, way, kind, wire, begun, error in (
        ("chat", OPENAI, chat_helper, chats, CHAT, chat_begun, openai.APIError),
        ("responses", OPENAI, respond_helper, responds, RESPONSES, respond_begun, None),
        ("messages", ANTHROPIC, speak_helper, speaks, MESSAGES, speak_begun, anthropic.APIStatusError),
        ("beta messages", ANTHROPIC, speak_beta_helper, betas, MESSAGES, speak_begun, anthropic.APIStatusError),
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
            parse,
            ANSWER,
            replies=(says(cut_short),),
            truth=Truth(WHOLE, error="LengthFinishReasonError", finish="length"),
            returns=(None, None),
            sees=(),
            raises=openai.LengthFinishReasonError,
        ),
    ]


ROWS: Final = [*refused_rows(), *exhausted_rows(), *retried_rows(), *unanswered_rows(), *helper_rows(), *other_rows()]

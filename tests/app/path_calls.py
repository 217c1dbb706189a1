"""The rows of the table for each way to call a model: plain, parsed, raw, streamed, with an SDK's helpers."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any, Final

from app import answers
from app.answers import CHAT, EMBEDDINGS, GENERATE, MESSAGES, NONE, RESPONSES, Wire, holds, says, streams
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
)
from app.endings import enter, first, gathered, take
from app.paths import Row, Truth
from app.rawserver import Reply
from pydantic import BaseModel

from otel_llm_semconv.usage import MISSING, PARTIAL, REPORTED, Usage


class Word(BaseModel):
    """What the app wants its answers parsed into."""

    word: str


TEXT: Final = "one two"
WORD: Final = Word(word="two")
WORD_JSON: Final = '{"word":"two"}'
STREAM: Final = ("Stream", "AsyncStream")
STREAMING: Final = ("APIResponse", "AsyncAPIResponse")
#: Bytes in a piece that the app asks for, so that the pieces do not depend on the network's.
PIECE_BYTES: Final = 64


def text_of(answer: Any) -> Any:
    """The text of an answer of any SDK, of the pieces of one, or the value itself."""
    if isinstance(answer, list):
        return b"".join(answer) if isinstance(answer[0], bytes) else "".join(map(_piece, answer))
    if isinstance(answer, dict) and "candidates" in answer:
        return answer["candidates"][0]["content"]["parts"][0]["text"]
    if hasattr(answer, "choices"):
        return answer.choices[0].message.content
    if hasattr(answer, "output_text"):
        return answer.output_text
    return answer.content[0].text if hasattr(answer, "content") else answer


def _piece(piece: Any) -> str:
    """The text that a chunk or an event adds; a line is one itself."""
    if isinstance(piece, str):
        return piece
    if choices := getattr(piece, "choices", None):
        return str(choices[0].delta.content or "")
    delta = getattr(piece, "delta", None)
    return delta if isinstance(delta, str) else getattr(delta, "text", None) or ""


def parsed_of(answer: Any) -> Any:
    """What an SDK parsed the text into."""
    if hasattr(answer, "choices"):
        return answer.choices[0].message.parsed
    return answer.output_parsed if hasattr(answer, "output_parsed") else answer.parsed_output


@dataclass(frozen=True)
class Calls:
    """Calls of one format that go well, as its client makes them."""

    name: str
    clients: Clients
    wire: Wire
    raw: Any  # types that `with_raw_response` gives

    def plain(self, name: str, way: Way, ending: Any, returns: Any, **row: Any) -> list[Row]:
        """One document is the answer."""
        return self._row(f"{self.name}: {name}", way, ending, returns, **{"reply": says(self.wire.plain), **row})

    def stream(self, name: str, way: Way, ending: Any, returns: Any, **row: Any) -> list[Row]:
        """A stream is the answer."""
        return self._row(
            f"{self.name} stream: {name}", way, ending, returns, **{"reply": streams(*self.wire.events), **row}
        )

    def _row(
        self,
        name: str,
        way: Way,
        ending: Any,
        returns: Any,
        *,
        reply: Reply,
        sees: Any = TEXT,
        usage: Usage | None = None,
        status: str = REPORTED,
        **more: Any,
    ) -> list[Row]:
        finish = self.wire.finish if status == REPORTED else None
        truth = Truth(self.wire.usage if usage is None else usage, status, finish=more.pop("finish", finish))
        row = {"replies": (reply,), "truth": truth, "sees": (sees,), "said": text_of, **more}
        return both(name, self.clients, way, ending, returns=returns, **row)

    def bodies(self, way: Way, kind: str) -> list[Row]:
        """The ways to read the body behind `with_streaming_response`, a document's or a stream's."""
        is_stream = kind == "stream"
        row = self.stream if is_stream else self.plain
        body = b"".join(self.wire.events) if is_stream else answers.encoded(self.wire.plain)
        lines = "".join(body.decode().splitlines())
        name = "with_streaming_response"
        rows = [
            *row(f"{name}.iter_lines", way, enter(lambda r: gathered(r.iter_lines())), STREAMING, sees=lines),
            *row(f"{name}.iter_bytes", way, enter(lambda r: gathered(r.iter_bytes(PIECE_BYTES))), STREAMING, sees=body),
            *row(f"{name}.iter_text", way, enter(_texts), STREAMING, sees=body.decode()),
            *row(f"{name}, iter_raw", way, enter(_raws), STREAMING, sees=body),
            *row(f"{name}, left unread", way, enter(_status), STREAMING, sees=200, usage=NONE, status=PARTIAL),
        ]
        if is_stream:
            return [*rows, *row(f"{name}.parse", way, enter(lambda r: gathered(r.parse())), STREAMING)]
        return [
            *rows,
            *row(f"{name}.read", way, enter(lambda r: r.read()), STREAMING, sees=body),
            *row(f"{name}.json", way, enter(lambda r: r.json()), STREAMING, sees=self.wire.plain),
            *row(f"{name}.parse", way, enter(lambda r: r.parse()), STREAMING),
        ]


def _texts(response: Any) -> Any:
    return gathered(response.iter_text(PIECE_BYTES))


def _raws(response: Any) -> Any:
    """The body as it came, which only the response behind it gives."""
    behind = response.http_response
    asynchronous = hasattr(type(response), "__await__") or type(response).__name__.startswith("Async")
    return gathered(behind.aiter_raw(PIECE_BYTES) if asynchronous else behind.iter_raw(PIECE_BYTES))


def _status(response: Any) -> Any:
    """All that the app looks at."""
    return response.http_response.status_code


def _until_done(stream: Any) -> Any:
    """Answers nothing that is worth looking at."""
    done = stream.until_done()
    return _nothing(done) if inspect.isawaitable(done) else None


async def _nothing(done: Any) -> None:
    await done


def _itself(answer: Any) -> Any:
    return answer


ANSWER: Final = take(_itself)
JSON: Final = take(lambda response: response.json())
PARSE: Final = take(lambda raw: raw.parse())
STATUS: Final = take(_status)
#: The pieces of what `parse()` of a raw response gives.
PARSED_STREAM: Final = take(lambda raw: gathered(raw.parse()))
CHATS: Final = Calls("chat", OPENAI, CHAT, "LegacyAPIResponse")
RESPONDS: Final = Calls("responses", OPENAI, RESPONSES, "LegacyAPIResponse")
SPEAKS: Final = Calls("messages", ANTHROPIC, MESSAGES, STREAMING)
GENERATES: Final = Calls("gemini", RAW, GENERATE, "Response")


def plain_rows() -> list[Row]:
    words = {"said": parsed_of, "sees": WORD}
    chat_word, message_word = says(answers.completion(WORD_JSON)), says(answers.message(WORD_JSON))
    said_word = says(answers.response("completed", WORD_JSON, usage=answers.response_usage()))
    chat, message = {**CHAT_ASKED, "response_format": Word}, {**MESSAGE_ASKED, "output_format": Word}
    chat_type, message_type = "ParsedChatCompletion[~ResponseFormatT]", "ParsedMessage[~ResponseFormatT]"
    beta_type = "ParsedBetaMessage[~ResponseFormatT]"
    return [
        *CHATS.plain("create", lambda c: c.chat.completions.create(**CHAT_ASKED), ANSWER, "ChatCompletion"),
        *CHATS.plain("parse", lambda c: c.chat.completions.parse(**chat), ANSWER, chat_type, reply=chat_word, **words),
        *CHATS.plain(
            "beta parse", lambda c: c.beta.chat.completions.parse(**chat), ANSWER, chat_type, reply=chat_word, **words
        ),
        *RESPONDS.plain("create", lambda c: c.responses.create(**RESPONSE_ASKED), ANSWER, "Response"),
        *RESPONDS.plain(
            "parse",
            lambda c: c.responses.parse(**RESPONSE_ASKED, text_format=Word),
            ANSWER,
            "ParsedResponse",
            reply=said_word,
            **words,
        ),
        *SPEAKS.plain("create", lambda c: c.messages.create(**MESSAGE_ASKED), ANSWER, "Message"),
        *SPEAKS.plain(
            "parse", lambda c: c.messages.parse(**message), ANSWER, message_type, reply=message_word, **words
        ),
        *SPEAKS.plain("beta create", lambda c: c.beta.messages.create(**MESSAGE_ASKED), ANSWER, "BetaMessage"),
        *SPEAKS.plain(
            "beta parse", lambda c: c.beta.messages.parse(**message), ANSWER, beta_type, reply=message_word, **words
        ),
        *GENERATES.plain("generateContent", lambda c: c.generate(), JSON, "Response"),
    ]


def embeddings_rows() -> list[Row]:
    embeds = Calls("embeddings", OPENAI, replace(CHAT, plain=EMBEDDINGS, usage=Usage(input_tokens=512)), "")
    asked: Any = {"model": "text-embedding-3-small", "input": "hello", "encoding_format": "float"}
    vector = {"said": lambda answer: answer.data[0].embedding, "sees": [0.5, -0.5], "finish": None}
    kind = "CreateEmbeddingResponse"
    return [
        *embeds.plain("create", lambda c: c.embeddings.create(**asked), ANSWER, kind, **vector),
        *embeds.plain(
            "with_raw_response",
            lambda c: c.embeddings.with_raw_response.create(**asked),
            PARSE,
            "LegacyAPIResponse",
            **vector,
        ),
    ]


def part_rows() -> list[Row]:
    """OpenAI: usage with parts that are in the whole already, and usage that nobody asked for."""
    detailed = answers.CHAT_DETAILS
    chat, respond = (lambda c: c.chat.completions.create(**CHAT_STREAMED)), (lambda c: c.responses.create(**asked))
    asked: Any = {**RESPONSE_ASKED, "stream": True}
    unasked: Any = {**CHAT_ASKED, "stream": True}
    done = [*RESPONSES.begun, *answers.responses_end(**answers.RESPONSE_DETAILS)]
    pieces = take(gathered)
    return [
        *CHATS.plain(
            "cached and reasoning",
            lambda c: c.chat.completions.create(**CHAT_ASKED),
            ANSWER,
            "ChatCompletion",
            reply=says(answers.completion(**detailed)),
            usage=answers.DETAILED,
        ),
        *CHATS.stream(
            "cached and reasoning",
            chat,
            pieces,
            STREAM,
            reply=streams(*CHAT.begun, *answers.chat_end(**detailed)),
            usage=answers.DETAILED,
        ),
        *CHATS.stream(
            "usage that was not asked for",
            lambda c: c.chat.completions.create(**unasked),
            pieces,
            STREAM,
            reply=streams(*CHAT.begun, CHAT.rest[0], CHAT.rest[2]),
            usage=NONE,
            status=MISSING,
            finish="stop",
        ),
        *RESPONDS.plain(
            "cached and reasoning",
            lambda c: c.responses.create(**RESPONSE_ASKED),
            ANSWER,
            "Response",
            reply=says(answers.response("completed", usage=answers.response_usage(**answers.RESPONSE_DETAILS))),
            usage=answers.DETAILED,
        ),
        *RESPONDS.stream("cached and reasoning", respond, pieces, STREAM, reply=streams(*done), usage=answers.DETAILED),
        *RESPONDS.stream(
            "cut short by its length",
            respond,
            pieces,
            STREAM,
            reply=streams(*RESPONSES.begun, answers.RESPONSE_INCOMPLETE),
            finish="length",
        ),
    ]


def cached_rows() -> list[Row]:
    """Anthropic's cached parts are added to the input; Gemini's are in it."""
    message: Any = {**MESSAGE_ASKED, "stream": True}
    return [
        *SPEAKS.plain(
            "cached",
            lambda c: c.messages.create(**MESSAGE_ASKED),
            ANSWER,
            "Message",
            reply=says(answers.message(**answers.CLAUDE_CACHE)),
            usage=answers.CLAUDE_CACHED,
        ),
        *SPEAKS.stream(
            "cached",
            lambda c: c.messages.create(**message),
            take(gathered),
            STREAM,
            reply=streams(*answers.messages_begun(**answers.CLAUDE_CACHE), *MESSAGES.rest),
            usage=answers.CLAUDE_CACHED,
        ),
        *GENERATES.plain(
            "cached",
            lambda c: c.generate(),
            JSON,
            "Response",
            reply=says(answers.generated(TEXT, 72, thoughtsTokenCount=128, cachedContentTokenCount=384)),
            usage=answers.DETAILED,
        ),
    ]


def raw_rows() -> list[Row]:
    def chat(client: Any) -> Any:
        return client.chat.completions.with_raw_response.create(**CHAT_ASKED)

    def chat_stream(client: Any) -> Any:
        return client.chat.completions.with_raw_response.create(**CHAT_STREAMED)

    def respond(client: Any) -> Any:
        return client.responses.with_raw_response.create(**RESPONSE_ASKED)

    def respond_stream(client: Any) -> Any:
        return client.responses.with_raw_response.create(**RESPONSE_ASKED, stream=True)

    def speak(client: Any) -> Any:
        return client.messages.with_raw_response.create(**MESSAGE_ASKED)

    def speak_beta(client: Any) -> Any:
        return client.beta.messages.with_raw_response.create(**MESSAGE_ASKED)

    def speak_stream(client: Any) -> Any:
        return client.messages.with_raw_response.create(**MESSAGE_ASKED, stream=True)

    name = "with_raw_response"
    rows: list[Row] = []
    for calls, plain, stream in (
        (CHATS, chat, chat_stream),
        (RESPONDS, respond, respond_stream),
        (SPEAKS, speak, speak_stream),
    ):
        rows += [
            *calls.plain(f"{name}, parsed", plain, PARSE, calls.raw),
            *calls.plain(f"{name}, not parsed", plain, STATUS, calls.raw, sees=200),
            *calls.stream(name, stream, PARSED_STREAM, calls.raw),
        ]
    return [*rows, *SPEAKS.plain(f"beta {name}", speak_beta, PARSE, SPEAKS.raw)]


def body_rows() -> list[Row]:
    def chat(client: Any) -> Any:
        return client.chat.completions.with_streaming_response.create(**CHAT_ASKED)

    def chat_stream(client: Any) -> Any:
        return client.chat.completions.with_streaming_response.create(**CHAT_STREAMED)

    def respond_stream(client: Any) -> Any:
        return client.responses.with_streaming_response.create(**RESPONSE_ASKED, stream=True)

    def speak(client: Any) -> Any:
        return client.messages.with_streaming_response.create(**MESSAGE_ASKED)

    def speak_stream(client: Any) -> Any:
        return client.messages.with_streaming_response.create(**MESSAGE_ASKED, stream=True)

    line = enter(lambda r: first(r.iter_lines()))
    name = "with_streaming_response.iter_lines, left after one"
    return [
        *CHATS.bodies(chat, "document"),
        *CHATS.bodies(chat_stream, "stream"),
        *RESPONDS.bodies(respond_stream, "stream"),
        *SPEAKS.bodies(speak, "document"),
        *SPEAKS.bodies(speak_stream, "stream"),
        *CHATS.stream(
            name,
            chat_stream,
            line,
            STREAMING,
            reply=holds(*CHAT.begun),
            sees=CHAT.begun[0].decode().strip(),
            usage=NONE,
            status=PARTIAL,
        ),
        *SPEAKS.stream(
            name,
            speak_stream,
            line,
            STREAMING,
            reply=holds(*MESSAGES.begun),
            sees="event: message_start",
            usage=MESSAGES.begun_usage,
            status=PARTIAL,
        ),
    ]


def helper_rows() -> list[Row]:
    def chat(client: Any) -> Any:
        return client.chat.completions.stream(**CHAT_ASKED, stream_options={"include_usage": True})

    def chat_beta(client: Any) -> Any:
        return client.beta.chat.completions.stream(**CHAT_ASKED, stream_options={"include_usage": True})

    def respond(client: Any) -> Any:
        return client.responses.stream(**RESPONSE_ASKED)

    def speak(client: Any) -> Any:
        return client.messages.stream(**MESSAGE_ASKED)

    def speak_beta(client: Any) -> Any:
        return client.beta.messages.stream(**MESSAGE_ASKED)

    chats = "ChatCompletionStream", "AsyncChatCompletionStream"
    responds = "ResponseStream", "AsyncResponseStream"
    speaks = "MessageStream", "AsyncMessageStream"
    betas = "BetaMessageStream", "BetaAsyncMessageStream"
    events = enter(gathered)
    texts = enter(lambda s: gathered(s.text_stream))
    text = enter(lambda s: first(s.text_stream))
    message = enter(lambda s: s.get_final_message())
    left = {"sees": "one ", "usage": MESSAGES.begun_usage, "status": PARTIAL, "reply": holds(*MESSAGES.begun)}
    return [
        *CHATS.stream("helper's events", chat, events, chats),
        *CHATS.stream("helper's get_final_completion", chat, enter(lambda s: s.get_final_completion()), chats),
        *CHATS.stream("helper's until_done", chat, enter(_until_done), chats, sees=None),
        *CHATS.stream("beta helper's events", chat_beta, events, chats),
        *RESPONDS.stream("helper's events", respond, events, responds),
        *RESPONDS.stream("helper's get_final_response", respond, enter(lambda s: s.get_final_response()), responds),
        *RESPONDS.stream("helper's until_done", respond, enter(_until_done), responds, sees=None),
        *SPEAKS.stream("helper's events", speak, events, speaks),
        *SPEAKS.stream("helper's text_stream", speak, texts, speaks),
        *SPEAKS.stream("helper's text_stream, left early", speak, text, speaks, **left),
        *SPEAKS.stream("helper's get_final_message", speak, message, speaks),
        *SPEAKS.stream("helper's get_final_text", speak, enter(lambda s: s.get_final_text()), speaks),
        *SPEAKS.stream("helper's until_done", speak, enter(_until_done), speaks, sees=None),
        *SPEAKS.stream("beta helper's text_stream", speak_beta, texts, betas),
        *SPEAKS.stream("beta helper's text_stream, left early", speak_beta, text, betas, **left),
        *SPEAKS.stream("beta helper's get_final_message", speak_beta, message, betas),
        *SPEAKS.stream(
            "beta create", lambda c: c.beta.messages.create(**MESSAGE_ASKED, stream=True), take(gathered), STREAM
        ),
    ]


ROWS: Final = [
    *plain_rows(),
    *embeddings_rows(),
    *part_rows(),
    *cached_rows(),
    *raw_rows(),
    *body_rows(),
    *helper_rows(),
]

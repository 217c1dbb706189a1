"""The rows of the table for each way to call a model: plain, parsed, raw, streamed, with an SDK's helpers."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import Any, Final

from app import answers
from app import path_asks as asks
from app.answers import CHAT, EMBEDDINGS, GENERATE, MESSAGES, NONE, RESPONSES, TEXT, Wire, holds, says, streams
from app.clients import ANTHROPIC, OPENAI, RAW, Clients, Way, both
from app.endings import enter, first, gathered, take
from app.path_asks import BODY, STREAM, Word
from app.paths import Row, Truth, as_it_is
from app.rawserver import Reply

from otel_llm_semconv.usage import MISSING, PARTIAL, REPORTED, Usage

WORD: Final = Word(word="two")
WORD_JSON: Final = '{"word":"two"}'
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

    def bodies(self, way: Way, *, is_stream: bool) -> list[Row]:
        """The ways to read the body behind `with_streaming_response`, a document's or a stream's."""
        row = self.stream if is_stream else self.plain
        body = b"".join(self.wire.events) if is_stream else answers.encoded(self.wire.plain)
        lines = "".join(body.decode().splitlines())
        name = "with_streaming_response"
        rows = [
            *row(f"{name}.iter_lines", way, enter(lambda r: gathered(r.iter_lines())), BODY, sees=lines),
            *row(f"{name}.iter_bytes", way, enter(lambda r: gathered(r.iter_bytes(PIECE_BYTES))), BODY, sees=body),
            *row(f"{name}.iter_text", way, enter(_texts), BODY, sees=body.decode()),
            *row(f"{name}, iter_raw", way, enter(_raws), BODY, sees=body),
            *row(f"{name}, left unread", way, enter(_status), BODY, sees=200, usage=NONE, status=PARTIAL),
        ]
        if is_stream:
            return [*rows, *row(f"{name}.parse", way, enter(lambda r: gathered(r.parse())), BODY)]
        return [
            *rows,
            *row(f"{name}.read", way, enter(lambda r: r.read()), BODY, sees=body),
            *row(f"{name}.json", way, enter(lambda r: r.json()), BODY, sees=self.wire.plain),
            *row(f"{name}.parse", way, enter(lambda r: r.parse()), BODY),
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


ANSWER: Final = take(as_it_is)
JSON: Final = take(lambda response: response.json())
PARSE: Final = take(lambda raw: raw.parse())
STATUS: Final = take(_status)
#: The pieces of what `parse()` of a raw response gives.
PARSED_STREAM: Final = take(lambda raw: gathered(raw.parse()))
CHATS: Final = Calls("chat", OPENAI, CHAT, "LegacyAPIResponse")
RESPONDS: Final = Calls("responses", OPENAI, RESPONSES, "LegacyAPIResponse")
SPEAKS: Final = Calls("messages", ANTHROPIC, MESSAGES, BODY)
GENERATES: Final = Calls("gemini", RAW, GENERATE, "Response")


def plain_rows() -> list[Row]:
    words = {"said": parsed_of, "sees": WORD}
    chat_word, message_word = says(answers.completion(WORD_JSON)), says(answers.message(WORD_JSON))
    said_word = says(answers.response("completed", WORD_JSON, usage=answers.response_usage()))
    chat, message = {**asks.CHAT, "response_format": Word}, {**asks.MESSAGE, "output_format": Word}
    chat_type, message_type = "ParsedChatCompletion", "ParsedMessage"
    beta_type = "ParsedBetaMessage"
    return [
        *CHATS.plain("create", asks.chat, ANSWER, "ChatCompletion"),
        *CHATS.plain("parse", asks.chat_parsed, ANSWER, chat_type, reply=chat_word, **words),
        *CHATS.plain(
            "beta parse", lambda c: c.beta.chat.completions.parse(**chat), ANSWER, chat_type, reply=chat_word, **words
        ),
        *RESPONDS.plain("create", asks.respond, ANSWER, "Response"),
        *RESPONDS.plain(
            "parse",
            lambda c: c.responses.parse(**asks.RESPONSE, text_format=Word),
            ANSWER,
            "ParsedResponse",
            reply=said_word,
            **words,
        ),
        *SPEAKS.plain("create", asks.speak, ANSWER, "Message"),
        *SPEAKS.plain(
            "parse", lambda c: c.messages.parse(**message), ANSWER, message_type, reply=message_word, **words
        ),
        *SPEAKS.plain("beta create", lambda c: c.beta.messages.create(**asks.MESSAGE), ANSWER, "BetaMessage"),
        *SPEAKS.plain(
            "beta parse", lambda c: c.beta.messages.parse(**message), ANSWER, beta_type, reply=message_word, **words
        ),
        *GENERATES.plain("generateContent", asks.generate, JSON, "Response"),
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
    done = [*RESPONSES.begun, *answers.responses_end(**answers.RESPONSE_DETAILS)]
    pieces = take(gathered)
    return [
        *CHATS.plain(
            "cached and reasoning",
            asks.chat,
            ANSWER,
            "ChatCompletion",
            reply=says(answers.completion(**detailed)),
            usage=answers.DETAILED,
        ),
        *CHATS.stream(
            "cached and reasoning",
            asks.chat_stream,
            pieces,
            STREAM,
            reply=streams(*CHAT.begun, *answers.chat_end(**detailed)),
            usage=answers.DETAILED,
        ),
        *CHATS.stream(
            "usage that was not asked for",
            lambda c: c.chat.completions.create(**asks.CHAT, stream=True),
            pieces,
            STREAM,
            reply=streams(*CHAT.begun, CHAT.rest[0], CHAT.rest[2]),
            usage=NONE,
            status=MISSING,
            finish="stop",
        ),
        *RESPONDS.plain(
            "cached and reasoning",
            asks.respond,
            ANSWER,
            "Response",
            reply=says(answers.response("completed", usage=answers.response_usage(**answers.RESPONSE_DETAILS))),
            usage=answers.DETAILED,
        ),
        *RESPONDS.stream(
            "cached and reasoning", asks.respond_stream, pieces, STREAM, reply=streams(*done), usage=answers.DETAILED
        ),
        *RESPONDS.stream(
            "cut short by its length",
            asks.respond_stream,
            pieces,
            STREAM,
            reply=streams(*RESPONSES.begun, answers.RESPONSE_INCOMPLETE),
            finish="length",
        ),
    ]


def cached_rows() -> list[Row]:
    """Anthropic's cached parts are added to the input; Gemini's are in it."""
    return [
        *SPEAKS.plain(
            "cached",
            asks.speak,
            ANSWER,
            "Message",
            reply=says(answers.message(**answers.CLAUDE_CACHE)),
            usage=answers.CLAUDE_CACHED,
        ),
        *SPEAKS.stream(
            "cached",
            asks.speak_stream,
            take(gathered),
            STREAM,
            reply=streams(*answers.messages_begun(**answers.CLAUDE_CACHE), *MESSAGES.rest),
            usage=answers.CLAUDE_CACHED,
        ),
        *GENERATES.plain(
            "cached",
            asks.generate,
            JSON,
            "Response",
            reply=says(answers.generated(TEXT, 72, thoughtsTokenCount=128, cachedContentTokenCount=384)),
            usage=answers.DETAILED,
        ),
    ]


def raw_rows() -> list[Row]:
    def chat(client: Any) -> Any:
        return client.chat.completions.with_raw_response.create(**asks.CHAT)

    def chat_stream(client: Any) -> Any:
        return client.chat.completions.with_raw_response.create(**asks.CHAT_STREAMED)

    def respond(client: Any) -> Any:
        return client.responses.with_raw_response.create(**asks.RESPONSE)

    def respond_stream(client: Any) -> Any:
        return client.responses.with_raw_response.create(**asks.RESPONSE, stream=True)

    def speak(client: Any) -> Any:
        return client.messages.with_raw_response.create(**asks.MESSAGE)

    def speak_beta(client: Any) -> Any:
        return client.beta.messages.with_raw_response.create(**asks.MESSAGE)

    def speak_stream(client: Any) -> Any:
        return client.messages.with_raw_response.create(**asks.MESSAGE, stream=True)

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
    def chat_stream(client: Any) -> Any:
        return client.chat.completions.with_streaming_response.create(**asks.CHAT_STREAMED)

    def respond_stream(client: Any) -> Any:
        return client.responses.with_streaming_response.create(**asks.RESPONSE, stream=True)

    def speak(client: Any) -> Any:
        return client.messages.with_streaming_response.create(**asks.MESSAGE)

    def speak_stream(client: Any) -> Any:
        return client.messages.with_streaming_response.create(**asks.MESSAGE, stream=True)

    line = enter(lambda r: first(r.iter_lines()))
    name = "with_streaming_response.iter_lines, left after one"
    return [
        *CHATS.bodies(asks.chat_body, is_stream=False),
        *CHATS.bodies(chat_stream, is_stream=True),
        *RESPONDS.bodies(respond_stream, is_stream=True),
        *SPEAKS.bodies(speak, is_stream=False),
        *SPEAKS.bodies(speak_stream, is_stream=True),
        *CHATS.stream(
            name,
            chat_stream,
            line,
            BODY,
            reply=holds(*CHAT.begun),
            sees=CHAT.begun[0].decode().strip(),
            usage=NONE,
            status=PARTIAL,
        ),
        *SPEAKS.stream(
            name,
            speak_stream,
            line,
            BODY,
            reply=holds(*MESSAGES.begun),
            sees="event: message_start",
            usage=MESSAGES.begun_usage,
            status=PARTIAL,
        ),
    ]


def helper_rows() -> list[Row]:
    def chat(client: Any) -> Any:
        return client.chat.completions.stream(**asks.CHAT, stream_options={"include_usage": True})

    def chat_beta(client: Any) -> Any:
        return client.beta.chat.completions.stream(**asks.CHAT, stream_options={"include_usage": True})

    chats, responds = asks.CHAT_HELPER, asks.RESPOND_HELPER
    speaks, betas = asks.SPEAK_HELPER, asks.SPEAK_BETA_HELPER
    respond, speak, speak_beta = asks.respond_helper, asks.speak_helper, asks.speak_beta_helper
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
            "beta create", lambda c: c.beta.messages.create(**asks.MESSAGE, stream=True), take(gathered), STREAM
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

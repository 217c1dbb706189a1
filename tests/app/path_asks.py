"""What the app asks of its client, where more than one table has it: a function of the client for each way to call.

Beside it the types that come of it, sync and async.
"""

from __future__ import annotations

from typing import Any, Final

from app.answers import CHAT_MODEL, CLAUDE
from app.test_endings import HELLO
from pydantic import BaseModel

CHAT: Final[Any] = {"model": CHAT_MODEL, "messages": HELLO}
CHAT_STREAMED: Final[Any] = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
RESPONSE: Final[Any] = {"model": CHAT_MODEL, "input": "hello"}
MESSAGE: Final[Any] = {"model": CLAUDE, "messages": HELLO, "max_tokens": 9}

STREAM: Final = "Stream", "AsyncStream"
BODY: Final = "APIResponse", "AsyncAPIResponse"
CHAT_HELPER: Final = "ChatCompletionStream", "AsyncChatCompletionStream"
RESPOND_HELPER: Final = "ResponseStream", "AsyncResponseStream"
SPEAK_HELPER: Final = "MessageStream", "AsyncMessageStream"
SPEAK_BETA_HELPER: Final = "BetaMessageStream", "BetaAsyncMessageStream"


class Word(BaseModel):
    """What the app wants its answers parsed into."""

    word: str


def chat(client: Any) -> Any:
    return client.chat.completions.create(**CHAT)


def chat_parsed(client: Any) -> Any:
    return client.chat.completions.parse(**CHAT, response_format=Word)


def chat_stream(client: Any) -> Any:
    return client.chat.completions.create(**CHAT_STREAMED)


def chat_body(client: Any) -> Any:
    return client.chat.completions.with_streaming_response.create(**CHAT)


def respond(client: Any) -> Any:
    return client.responses.create(**RESPONSE)


def respond_stream(client: Any) -> Any:
    return client.responses.create(**RESPONSE, stream=True)


def respond_helper(client: Any) -> Any:
    return client.responses.stream(**RESPONSE)


def speak(client: Any) -> Any:
    return client.messages.create(**MESSAGE)


def speak_stream(client: Any) -> Any:
    return client.messages.create(**MESSAGE, stream=True)


def speak_helper(client: Any) -> Any:
    return client.messages.stream(**MESSAGE)


def speak_beta_helper(client: Any) -> Any:
    return client.beta.messages.stream(**MESSAGE)


def generate(client: Any) -> Any:
    return client.generate()

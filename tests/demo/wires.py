"""The stand-in's formats over plain HTTP: requests to all of them, and their answers and streams taken apart."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from otel_llm_collector.demo.standin import Standin

HELLO: Any = [{"role": "user", "content": "How urgent is a bent wrist?"}]
CONVERSE_HELLO: Final = [{"role": "user", "content": [{"text": "How urgent is a bent wrist?"}]}]
CONTENTS: Final = [{"role": "user", "parts": [{"text": "How urgent is a bent wrist?"}]}]
VERTEX: Final = "/v1/projects/p/locations/eu/publishers"
SONNET: Final = "eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0"


@dataclass(frozen=True)
class Case:
    """A request to a format, a usage in the format's own spelling and what that is in ours, and how it streams."""

    path: str
    body: dict[str, Any]
    told: dict[str, Any] | None = None
    tokens: dict[str, int] | None = None
    streamed: dict[str, Any] | None = None  # fields that make it a stream; {} where it is one already
    stream_path: str | None = None


CHAT_USAGE: Final = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
CHAT_TOKENS: Final = {"input": 100, "output": 20, "cache_read": 64, "reasoning": 5}
RESPONSES_USAGE: Final = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 10},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
}
RESPONSES_TOKENS: Final = {"input": 100, "output": 20, "cache_read": 64, "cache_write": 10, "reasoning": 5}
CLAUDE_USAGE: Final = {
    "input_tokens": 30,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 10,
    "cache_creation": {"ephemeral_1h_input_tokens": 4},
    "output_tokens": 20,
}
CLAUDE_TOKENS: Final = {"input": 100, "output": 20, "cache_read": 60, "cache_write": 10, "cache_write_1h": 4}
GEMINI_USAGE: Final = {
    "promptTokenCount": 100,
    "candidatesTokenCount": 15,
    "thoughtsTokenCount": 5,
    "cachedContentTokenCount": 64,
}
GEMINI_TOKENS: Final = {"input": 100, "output": 20, "cache_read": 64, "reasoning": 5}
CONVERSE_USAGE: Final = {
    "inputTokens": 30,
    "outputTokens": 20,
    "totalTokens": 120,
    "cacheReadInputTokens": 60,
    "cacheWriteInputTokens": 10,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 4}],
}
STREAMED: Final = {"stream": True}
COUNTED: Final = {"stream": True, "stream_options": {"include_usage": True}}
FORM: Final = (
    b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\ngpt-4o-transcribe\r\n'
    b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\x00\xff\r\n--x--\r\n'
)

#: One request to every format, by name.
CASES: Final[Mapping[str, Case]] = {
    "openai chat": Case(
        "/v1/chat/completions", {"model": "gpt-5", "messages": HELLO}, CHAT_USAGE, CHAT_TOKENS, COUNTED
    ),
    "openai responses": Case(
        "/v1/responses", {"model": "gpt-5", "input": "wrist"}, RESPONSES_USAGE, RESPONSES_TOKENS, STREAMED
    ),
    "openai responses, counted": Case("/v1/responses/input_tokens", {"model": "gpt-5", "input": "wrist"}),
    "openai completions": Case(
        "/v1/completions",
        {"model": "davinci-002", "prompt": "wrist"},
        {"prompt_tokens": 8, "completion_tokens": 16},
        {"input": 8, "output": 16},
        COUNTED,
    ),
    "openai embeddings": Case(
        "/v1/embeddings",
        {"model": "text-embedding-3-small", "input": ["wrist", "ankle"], "dimensions": 8},
        {"prompt_tokens": 8, "total_tokens": 8},
        {"input": 8},
    ),
    "openai images": Case(
        "/v1/images/generations",
        {"model": "gpt-image-1", "prompt": "a wrist"},
        {"input_tokens": 8, "output_tokens": 272},
        {"input": 8, "output": 272},
        STREAMED | {"partial_images": 1},
    ),
    "openai image edits": Case("/v1/images/edits", {"model": "gpt-image-1", "prompt": "a wrist", "image": "x"}),
    "openai speech": Case(
        "/v1/audio/speech",
        {"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "wrist"},
        {"input_tokens": 8, "output_tokens": 27},
        {"input": 8, "output": 27},
        {"stream_format": "sse"},
    ),
    "openai transcription": Case(
        "/v1/audio/transcriptions",
        {"model": "gpt-4o-transcribe"},
        {"type": "tokens", "input_tokens": 80, "output_tokens": 27, "input_token_details": {"audio_tokens": 70}},
        {"input": 80, "output": 27, "audio_in": 70},
        STREAMED,
    ),
    "openai moderation": Case("/v1/moderations", {"input": "wrist"}),
    "anthropic messages": Case(
        "/v1/messages",
        {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": HELLO},
        CLAUDE_USAGE,
        CLAUDE_TOKENS,
        STREAMED,
    ),
    "anthropic messages, counted": Case("/v1/messages/count_tokens", {"model": "claude-haiku-4-5", "messages": HELLO}),
    "anthropic complete": Case(
        "/v1/complete", {"model": "claude-2.1", "prompt": "wrist", "max_tokens_to_sample": 99}, streamed=STREAMED
    ),
    "gemini": Case(
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {"contents": CONTENTS},
        GEMINI_USAGE,
        GEMINI_TOKENS,
        {},
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
    ),
    "gemini, a list": Case(
        "/v1beta/models/gemini-2.5-flash:generateContent",
        {"contents": CONTENTS},
        GEMINI_USAGE,
        GEMINI_TOKENS,
        {},
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent?key=k",
    ),
    "gemini, counted": Case("/v1beta/models/gemini-2.5-flash:countTokens", {"contents": CONTENTS}),
    "gemini embedding": Case(
        "/v1beta/models/gemini-embedding-2:embedContent",
        {"content": CONTENTS[0], "outputDimensionality": 8},
        {"promptTokenCount": 8},
        {"input": 8},
    ),
    "gemini embeddings": Case(
        "/v1beta/models/gemini-embedding-2:batchEmbedContents",
        {"requests": [{"content": CONTENTS[0], "outputDimensionality": 8}]},
        {"promptTokenCount": 8},
        {"input": 8},
    ),
    "gemini interactions": Case(
        "/v1beta/interactions",
        {"model": "gemini-2.5-flash", "input": "wrist"},
        {"total_input_tokens": 100, "total_output_tokens": 15, "total_thought_tokens": 5, "total_cached_tokens": 64},
        GEMINI_TOKENS,
        STREAMED,
    ),
    "vertex gemini": Case(
        f"{VERTEX}/google/models/gemini-2.5-pro:generateContent",
        {"contents": CONTENTS},
        GEMINI_USAGE,
        GEMINI_TOKENS,
        {},
        f"{VERTEX}/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
    ),
    "vertex, counted": Case(f"{VERTEX}/google/models/gemini-2.5-pro:countTokens", {"contents": CONTENTS}),
    "vertex embedding": Case(
        f"{VERTEX}/google/models/gemini-embedding-2:embedContent",
        {"content": CONTENTS[0]},
        {"promptTokenCount": 8},
        {"input": 8},
    ),
    "vertex predict": Case(
        f"{VERTEX}/google/models/text-embedding-005:predict",
        {"instances": [{"content": "wrist"}], "parameters": {"outputDimensionality": 8}},
        {"token_count": 8},
        {"input": 8},
    ),
    "vertex claude": Case(
        f"{VERTEX}/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        {"anthropic_version": "vertex-2023-10-16", "max_tokens": 99, "messages": HELLO},
        CLAUDE_USAGE,
        CLAUDE_TOKENS,
        STREAMED,
        f"{VERTEX}/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict",
    ),
    "vertex claude, counted": Case(
        f"{VERTEX}/anthropic/models/count-tokens:rawPredict", {"model": "claude-sonnet-4-5", "messages": HELLO}
    ),
    "azure chat": Case(
        "/openai/deployments/our-gpt-4o/chat/completions?api-version=2025-04-01-preview",
        {"messages": HELLO},
        CHAT_USAGE,
        CHAT_TOKENS,
        COUNTED,
    ),
    "azure chat, v1": Case(
        "/openai/v1/chat/completions", {"model": "our-gpt-4o", "messages": HELLO}, CHAT_USAGE, CHAT_TOKENS, COUNTED
    ),
    "azure completions": Case(
        "/openai/deployments/ours/completions?api-version=1", {"prompt": "wrist"}, CHAT_USAGE, CHAT_TOKENS, COUNTED
    ),
    "azure embeddings": Case(
        "/openai/deployments/ours/embeddings?api-version=1", {"input": "wrist"}, {"prompt_tokens": 8}, {"input": 8}
    ),
    "azure embeddings, v1": Case(
        "/openai/v1/embeddings", {"model": "ours", "input": "wrist"}, {"prompt_tokens": 8}, {"input": 8}
    ),
    "azure responses": Case(
        "/openai/v1/responses", {"model": "our-gpt-5", "input": "wrist"}, RESPONSES_USAGE, RESPONSES_TOKENS, STREAMED
    ),
    "bedrock converse": Case(
        f"/model/{SONNET}/converse",
        {"messages": CONVERSE_HELLO},
        CONVERSE_USAGE,
        CLAUDE_TOKENS,
        {},
        f"/model/{SONNET}/converse-stream",
    ),
    "bedrock claude": Case(
        f"/model/{SONNET}/invoke",
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "messages": HELLO},
        CLAUDE_USAGE,
        CLAUDE_TOKENS,
        {},
        f"/model/{SONNET}/invoke-with-response-stream",
    ),
    "bedrock nova": Case(
        "/model/eu.amazon.nova-lite-v1%3A0/invoke",
        {"messages": CONVERSE_HELLO},
        {"inputTokens": 40, "outputTokens": 20, "cacheReadInputTokenCount": 60},
        {"input": 100, "output": 20, "cache_read": 60},
        {},
        "/model/eu.amazon.nova-lite-v1%3A0/invoke-with-response-stream",
    ),
    "bedrock llama": Case(
        "/model/meta.llama3-1-8b-instruct-v1%3A0/invoke",
        {"prompt": "wrist"},
        {"prompt_token_count": 100, "generation_token_count": 20},
        {"input": 100, "output": 20},
        {},
        "/model/meta.llama3-1-8b-instruct-v1%3A0/invoke-with-response-stream",
    ),
    "bedrock titan": Case(
        "/model/amazon.titan-embed-text-v2%3A0/invoke",
        {"inputText": "wrist", "dimensions": 256},
        {"inputTextTokenCount": 8},
        {"input": 8},
    ),
    "bedrock, counted": Case(f"/model/{SONNET}/count-tokens", {"input": {"converse": {"messages": CONVERSE_HELLO}}}),
    "mistral chat": Case(
        "/mistral/v1/chat/completions",
        {"model": "mistral-small-latest", "messages": HELLO},
        {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 64}},
        {"input": 100, "output": 20, "cache_read": 64},
        STREAMED,
    ),
    "mistral fim": Case(
        "/mistral/v1/fim/completions",
        {"model": "codestral-latest", "prompt": "def wrist("},
        {"prompt_tokens": 100, "completion_tokens": 20},
        {"input": 100, "output": 20},
        STREAMED,
    ),
    "mistral conversation": Case(
        "/mistral/v1/conversations",
        {"model": "mistral-medium-latest", "inputs": "wrist"},
        {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        {"input": 100, "output": 20},
        STREAMED,
    ),
    "mistral embeddings": Case(
        "/mistral/v1/embeddings",
        {"model": "mistral-embed", "input": ["wrist"]},
        {"prompt_tokens": 8, "completion_tokens": 0},
        {"input": 8, "output": 0},
    ),
    "cohere chat": Case(
        "/v2/chat",
        {"model": "command-r", "messages": HELLO},
        {"billed_units": {"input_tokens": 80, "output_tokens": 20}, "tokens": {"input_tokens": 280}},
        {"input": 80, "output": 20},
        STREAMED,
    ),
    "cohere embed": Case(
        "/v2/embed",
        {"model": "embed-v4.0", "texts": ["wrist"], "embedding_types": ["float"], "output_dimension": 256},
        {"billed_units": {"input_tokens": 8}},
        {"input": 8},
    ),
    "cohere rerank": Case(
        "/v2/rerank",
        {"model": "rerank-v3.5", "query": "wrist", "documents": ["a", "b", "c"], "top_n": 2},
        {"billed_units": {"search_units": 1}},
    ),
    "ollama chat": Case(
        "/api/chat",
        {"model": "llama3", "messages": HELLO, "stream": False},
        {"prompt_eval_count": 100, "eval_count": 20},
        {"input": 100, "output": 20},
        STREAMED,
    ),
    "ollama generate": Case(
        "/api/generate",
        {"model": "llama3", "prompt": "wrist", "stream": False},
        {"prompt_eval_count": 100, "eval_count": 20},
        {"input": 100, "output": 20},
        STREAMED,
    ),
    "ollama embed": Case("/api/embed", {"model": "nomic", "input": ["a"]}, {"prompt_eval_count": 8}, {"input": 8}),
    "ollama embeddings": Case("/api/embeddings", {"model": "nomic", "prompt": "wrist"}),
    "huggingface chat": Case(
        "/huggingface/v1/chat/completions",
        {"model": "meta-llama/L", "messages": HELLO},
        {"prompt_tokens": 100, "completion_tokens": 20},
        {"input": 100, "output": 20},
        COUNTED,
    ),
    "huggingface generate": Case(
        "/huggingface/generate", {"inputs": "wrist"}, None, None, {}, "/huggingface/generate_stream"
    ),
    "huggingface model": Case("/huggingface/models/meta-llama/L", {"inputs": "wrist"}, streamed=STREAMED),
    "huggingface features": Case("/huggingface/models/BAAI/b/pipeline/feature-extraction", {"inputs": "wrist"}),
}


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def messages(self) -> list[Any]:
        """The messages of a stream, of whatever kind it is."""
        kind = self.headers["content-type"]
        if kind.startswith("text/event-stream"):
            found = [line[6:] for line in self.data.decode().splitlines() if line.startswith("data: ")]
            return [json.loads(text) for text in found if text != "[DONE]"]
        if kind == "application/x-ndjson":
            return [json.loads(line) for line in self.data.splitlines()]
        if kind == "application/vnd.amazon.eventstream":
            return [unpack(headers, payload) for headers, payload in read_frames(self.data)]
        return list(self.json)


def post(standin: Standin, path: str, body: dict[str, Any] | bytes, headers: dict[str, str] | None = None) -> Reply:
    """One request, over http.client."""
    connection = http.client.HTTPConnection(urlsplit(standin.url).netloc, timeout=10)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request("POST", path, data, {"content-type": "application/json"} | (headers or {}))
        answer = connection.getresponse()
        got = {name.lower(): value for name, value in answer.getheaders()}
        plain = gzip.decompress if got.get("content-encoding") == "gzip" else bytes
        return Reply(answer.status, got, plain(answer.read()))
    finally:
        connection.close()


def ask(standin: Standin, case: Case, headers: dict[str, str] | None = None) -> Reply:
    """The plain request of a case."""
    return post(standin, case.path, case.body, headers)


def ask_for_stream(standin: Standin, case: Case, headers: dict[str, str] | None = None) -> Reply:
    """The streamed request of a case."""
    body = case.body | (case.streamed or {})
    return post(standin, case.stream_path or case.path, body, headers)


def read_frames(data: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """The messages of an AWS event stream, both checksums checked."""
    while data:
        size, head = struct.unpack(">II", data[:8])
        assert struct.unpack(">I", data[8:12])[0] == zlib.crc32(data[:8])
        assert struct.unpack(">I", data[size - 4 : size])[0] == zlib.crc32(data[: size - 4])
        yield read_headers(data[12 : 12 + head]), data[12 + head : size - 4]
        data = data[size:]


def read_headers(data: bytes) -> dict[str, str]:
    found = {}
    while data:
        name, data = data[1 : 1 + data[0]].decode(), data[1 + data[0] :]
        assert data[0] == 7  # a string
        [size] = struct.unpack(">H", data[1:3])
        found[name], data = data[3 : 3 + size].decode(), data[3 + size :]
    return found


def unpack(headers: dict[str, str], payload: bytes) -> Any:
    """An event as an object of its name; a chunk of InvokeModel as what the model said."""
    message = json.loads(payload)
    if "bytes" in message:
        return json.loads(base64.b64decode(message["bytes"]))
    return {headers.get(":event-type") or headers[":exception-type"]: message}


def contains(value: Any, told: dict[str, Any]) -> bool:
    """Whether an object somewhere inside has all that was told, to the letter."""
    if isinstance(value, dict):
        if all(key in value and value[key] == told[key] for key in told):
            return True
        value = list(value.values())
    return isinstance(value, list) and any(contains(each, told) for each in value)

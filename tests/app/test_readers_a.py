"""Readers of Google, Cohere, Mistral, Ollama and Hugging Face: what was asked, what was said, however it is framed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from app.recording import Recorded

from otel_llm.providers import find_format, find_reader
from otel_llm.recognition import Recogniser, is_marked
from otel_llm.wire import Answer, Content
from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage as u

FIXTURES = Path(__file__).parent / "fixtures"
FORMATS = (
    "cohere_chat",
    "cohere_embed",
    "cohere_generate",
    "cohere_rerank",
    "gemini_content",
    "gemini_embeddings",
    "gemini_interactions",
    "huggingface_text",
    "mistral_conversations",
    "ollama",
    "vertex_predict",
)
CASES = [path for name in FORMATS for path in sorted((FIXTURES / name).glob("*.json"))]
#: What the conventions' schema asks of a part, beside its type.
REQUIRED = {
    "blob": {"content", "modality"},
    "file": {"file_id", "modality"},
    "generic": {"generic_type"},
    "reasoning": {"content"},
    "server_tool_call": {"name", "server_tool_call"},
    "server_tool_call_response": {"server_tool_call_response"},
    "text": {"content"},
    "tool_call": {"name"},
    "tool_call_response": {"response"},
    "uri": {"modality", "uri"},
}
HELLO = {"role": "user", "parts": [{"type": "text", "content": "hello"}]}
LOOK_UP = {"type": "tool_call", "name": "look_up", "arguments": {"patient": "Anna"}}
MORNING = {"type": "text", "content": "Good morning"}
HM = {"type": "reasoning", "content": "Hm."}


def load(name: str) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return case


def asked(name: str) -> tuple[str, str | None, dict[str, Any]]:
    """Operation, model and attributes of a fixture's request."""
    case = load(name)
    request = find_reader(name.partition("/")[0]).read_request(case["request"], case["path"])
    return request.operation, request.model, request.attributes


def content_of(name: str, request: dict[str, Any] | None = None) -> Content:
    """The messages of a fixture, as if content were captured."""
    case, answer = load(name), Answer()
    reader = find_reader(name.partition("/")[0])
    if "response" in case:
        reader.read_response(case["response"], answer, True)
    for event in case.get("events", ()):
        reader.fold_event(event, answer, True)
    return reader.read_content(case["request"] if request is None else request, answer)


def said(name: str) -> Any:
    """The one message that came back, without the ids of its calls."""
    (message,) = content_of(name).output_messages or [None]
    parts = [{key: value for key, value in part.items() if key != "id"} for part in message["parts"]]
    return parts, message["finish_reason"]


def input_of(wire_format: str, request: dict[str, Any]) -> Any:
    return find_reader(wire_format).read_content(request, Answer()).input_messages


@pytest.mark.parametrize(
    ("name", "operation", "model", "attributes"),
    [
        (
            "gemini_content/generate_content",
            "generate_content",
            "gemini-2.5-flash",
            {
                a.REQUEST_TEMPERATURE: 0.5,
                a.REQUEST_TOP_P: 0.9,
                a.REQUEST_TOP_K: 40,
                a.REQUEST_MAX_TOKENS: 200,
                a.REQUEST_STOP_SEQUENCES: ("END",),
                a.REQUEST_CHOICE_COUNT: 2,
                a.REQUEST_SEED: 7,
                a.REQUEST_REASONING_LEVEL: "low",
                a.OUTPUT_TYPE: "json",
            },
        ),
        (
            "gemini_content/generate_content_numbers",
            "generate_content",
            "gemini-2.5-pro",
            {a.PROPERTY_PREFIX + "department": "cardiology"},
        ),
        ("gemini_embeddings/embeddings", "embeddings", "gemini-embedding-2", {a.EMBEDDINGS_DIMENSION_COUNT: 3}),
        ("gemini_embeddings/embeddings_vertex", "embeddings", "gemini-embedding-2", {a.EMBEDDINGS_DIMENSION_COUNT: 3}),
        (
            "gemini_interactions/generate_content",
            "generate_content",
            "gemini-3-flash",
            {
                a.REQUEST_TEMPERATURE: 0.5,
                a.REQUEST_MAX_TOKENS: 200,
                a.REQUEST_REASONING_LEVEL: "low",
                a.REQUEST_PREVIOUS_RESPONSE_ID: "v1_0",
            },
        ),
        (
            "gemini_interactions/generate_content_agent",
            "generate_content",
            None,
            {a.AGENT_NAME: "deep-research-pro"},
        ),
        ("vertex_predict/embeddings", "embeddings", "text-embedding-005", {a.EMBEDDINGS_DIMENSION_COUNT: 3}),
        (
            "vertex_predict/generate_content",
            "generate_content",
            "imagen-4.0-generate-001",
            {a.OUTPUT_TYPE: "image", a.REQUEST_CHOICE_COUNT: 2},
        ),
        (
            "cohere_chat/chat",
            "chat",
            "command-a-03-2025",
            {
                a.REQUEST_TEMPERATURE: 0.5,
                a.REQUEST_TOP_P: 0.9,
                a.REQUEST_TOP_K: 40,
                a.REQUEST_MAX_TOKENS: 200,
                a.REQUEST_SEED: 7,
                a.REQUEST_STOP_SEQUENCES: ("END",),
                a.OUTPUT_TYPE: "json",
            },
        ),
        (
            "cohere_embed/embeddings",
            "embeddings",
            "embed-v4.0",
            {a.EMBEDDINGS_DIMENSION_COUNT: 3, a.REQUEST_ENCODING_FORMATS: ("float",)},
        ),
        ("cohere_rerank/rerank", "rerank", "rerank-v3.5", {}),
        (
            "cohere_generate/text_completion",
            "text_completion",
            "command",
            {a.REQUEST_MAX_TOKENS: 200, a.REQUEST_CHOICE_COUNT: 2},
        ),
        (
            "ollama/chat",
            "chat",
            "qwen3",
            {
                a.REQUEST_TEMPERATURE: 0,
                a.REQUEST_SEED: 7,
                a.REQUEST_MAX_TOKENS: 200,
                a.REQUEST_STOP_SEQUENCES: ("END",),
                a.REQUEST_REASONING_LEVEL: "low",
            },
        ),
        ("ollama/text_completion", "text_completion", "llama3", {a.OUTPUT_TYPE: "json"}),
        ("ollama/embeddings", "embeddings", "all-minilm", {a.EMBEDDINGS_DIMENSION_COUNT: 3}),
        (
            "huggingface_text/text_completion",
            "text_completion",
            None,
            {
                a.REQUEST_MAX_TOKENS: 200,
                a.REQUEST_TEMPERATURE: 0.5,
                a.REQUEST_TOP_P: 0.9,
                a.REQUEST_STOP_SEQUENCES: ("END",),
            },
        ),
        ("huggingface_text/embeddings", "embeddings", "BAAI/bge-small-en-v1.5", {}),
    ],
)
def test_a_request_is_what_the_caller_sent(
    name: str, operation: str, model: str | None, attributes: dict[str, Any]
) -> None:
    assert asked(name) == (operation, model, attributes)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash"),
        ("/v1/projects/p/locations/l/publishers/google/models/gemini-3:streamGenerateContent", "gemini-3"),
        ("/v1beta/tunedModels/mine:generateContent", "tunedModels/mine"),
        ("/v1/projects/p/locations/l/endpoints/42:generateContent", "endpoints/42"),
    ],
)
def test_gemini_names_the_model_in_the_path(path: str, model: str) -> None:
    request = find_reader("gemini_content").read_request({}, path)
    assert (request.model, request.stream) == (model, "stream" in path)


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        ({"serviceTier": "flex"}, "flex"),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({"serviceTier": "standard"}, None),
        ({"trafficType": "ON_DEMAND"}, None),
        ({"trafficType": 1}, None),
        ({}, None),
    ],
)
def test_only_an_uncommon_tier_of_gemini_is_told(usage: dict[str, Any], tier: str | None) -> None:
    reader, answer = find_reader("gemini_content"), Answer()
    reader.read_response({"usageMetadata": usage}, answer, False)
    assert reader.response_attributes(answer).get(a.SERVICE_TIER) == tier


def test_google_takes_both_spellings_of_a_field() -> None:
    config = {"max_output_tokens": 5, "thinking_config": {"thinking_level": "HIGH"}, "response_modalities": ["IMAGE"]}
    request = find_reader("gemini_content").read_request({"contents": [], "generation_config": config}, "")
    assert request.attributes == {
        a.REQUEST_MAX_TOKENS: 5,
        a.REQUEST_REASONING_LEVEL: "HIGH",
        a.OUTPUT_TYPE: "image",
    }


@pytest.mark.parametrize(
    ("name", "parts", "reason"),
    [
        ("gemini_content/generate_content_numbers", [{"type": "text", "content": "hi"}], "stop"),
        (
            "gemini_content/generate_content_stream",
            [{"type": "reasoning", "content": "**Greeting**"}, MORNING],
            "stop",
        ),
        ("gemini_content/generate_content_stream_error_503", [{"type": "text", "content": "Good "}], "error"),
        ("gemini_interactions/generate_content", [HM, LOOK_UP], "tool_call"),
        ("gemini_interactions/generate_content_stream", [HM, MORNING], "length"),
        ("gemini_interactions/generate_content_stream_error_500", [{"type": "text", "content": "Good"}], "error"),
        ("cohere_chat/chat", [{"type": "reasoning", "content": "I will look it up."}, LOOK_UP], "tool_call"),
        ("cohere_chat/chat_v1", [{"type": "text", "content": "hi"}], "stop"),
        ("cohere_chat/chat_stream", [MORNING], "stop"),
        (
            "cohere_chat/chat_stream_tools",
            [{"type": "reasoning", "content": "I will look it up."}, LOOK_UP],
            "tool_call",
        ),
        ("cohere_chat/chat_v1_stream", [MORNING], "stop"),
        ("cohere_generate/text_completion_stream", [{"type": "text", "content": " Good morning"}], "stop"),
        ("cohere_generate/text_completion_stream_error_500", [{"type": "text", "content": " Good mor"}], "error"),
        ("ollama/chat", [HM, {"type": "text", "content": "hi"}], "stop"),
        ("ollama/chat_stream", [HM, MORNING, LOOK_UP], "tool_call"),
        ("ollama/text_completion_stream", [MORNING], "stop"),
        ("huggingface_text/text_completion", [{"type": "text", "content": " hi"}], "stop"),
        ("huggingface_text/text_completion_stream", [{"type": "text", "content": " Good morning"}], "length"),
        ("huggingface_text/text_completion_stream_error_429", [{"type": "text", "content": " Good morn"}], "error"),
    ],
)
def test_an_answer_becomes_a_message(name: str, parts: list[Any], reason: str) -> None:
    assert said(name) == (parts, reason)


def test_each_candidate_of_gemini_is_a_message() -> None:
    first, second = content_of("gemini_content/generate_content").output_messages or ()
    assert first["parts"] == [HM, {**LOOK_UP, "id": None}]
    assert (first["finish_reason"], second["finish_reason"]) == ("tool_call", "length")


def test_what_is_around_the_messages_of_gemini() -> None:
    content = content_of("gemini_content/generate_content")
    assert content.input_messages == [HELLO]
    assert content.system_instructions == [{"type": "text", "content": "Be brief."}]
    assert content.tool_definitions == [
        {"type": "function", "name": "look_up", "parameters": {"type": "OBJECT"}},
        {"type": "codeExecution", "name": "codeExecution"},
    ]


def test_parts_of_gemini() -> None:
    given = [
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        {"file_data": {"file_uri": "gs://clinic/visit.pdf", "mime_type": "application/pdf"}},
        {"functionResponse": {"id": "f1", "name": "look_up", "response": {"allergies": []}}},
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"videoMetadata": {}},
    ]
    (message,) = input_of("gemini_content", {"contents": [{"role": "user", "parts": given}]})
    picture, document, result, code, ran, other = message["parts"]
    assert message["role"] == "tool"
    assert (picture["modality"], picture["size_bytes"], picture["content"]) == ("image", 2, "")
    assert (document["modality"], document["uri"]) == ("document", "gs://clinic/visit.pdf")
    assert result == {"type": "tool_call_response", "id": "f1", "response": {"allergies": []}}
    assert code["server_tool_call"] == {"type": "executable_code", "language": "PYTHON", "code": "1"}
    assert ran["server_tool_call_response"]["output"] == "1"
    assert other == {"type": "generic", "generic_type": "videoMetadata"}


@pytest.mark.parametrize(
    ("given", "roles"),
    [
        ("hello", ["user"]),
        ({"type": "text", "text": "hello"}, ["user"]),
        ([{"type": "text", "text": "hello"}, {"type": "image", "data": "aGk=", "mime_type": "image/png"}], ["user"]),
        ([{"role": "user", "content": "hello"}, {"role": "model", "content": "hi"}], ["user", "assistant"]),
        (
            [
                {"type": "user_input", "content": [{"type": "text", "text": "hello"}]},
                {"type": "function_call", "id": "f1", "name": "look_up", "arguments": {}},
                {"type": "function_result", "call_id": "f1", "result": [{"type": "text", "text": "none"}]},
            ],
            ["user", "assistant", "tool"],
        ),
    ],
)
def test_every_shape_of_an_interactions_input(given: Any, roles: list[str]) -> None:
    messages = input_of("gemini_interactions", {"model": "m", "input": given})
    assert [message["role"] for message in messages] == roles
    assert messages[0]["parts"][0] == HELLO["parts"][0]


def test_a_conversation_of_coheres_first_version() -> None:
    request = {
        "message": "hello",
        "preamble": "Be brief.",
        "chat_history": [
            {"role": "USER", "message": "hi"},
            {"role": "CHATBOT", "message": "", "tool_calls": [{"name": "look_up", "parameters": {"patient": "Anna"}}]},
            {"role": "TOOL", "tool_results": [{"call": {"name": "look_up"}, "outputs": [{"allergies": 0}]}]},
        ],
    }
    content = find_reader("cohere_chat").read_content(request, Answer())
    roles = [message["role"] for message in content.input_messages or ()]
    assert roles == ["user", "assistant", "tool", "user"]
    assert (content.input_messages or [])[-1] == HELLO
    assert content.system_instructions == [{"type": "text", "content": "Be brief."}]


def test_messages_of_ollama() -> None:
    messages = input_of(
        "ollama",
        {
            "messages": [
                {"role": "user", "content": "hello", "images": ["aGk="]},
                {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "look_up"}}]},
                {"role": "tool", "tool_name": "look_up", "content": "none"},
            ]
        },
    )
    assert [part["type"] for part in messages[0]["parts"]] == ["text", "blob"]
    assert messages[1]["parts"] == [{"type": "tool_call", "id": None, "name": "look_up", "arguments": None}]
    assert messages[2]["parts"] == [{"type": "tool_call_response", "id": "look_up", "response": "none"}]
    assert input_of("ollama", {"prompt": "hello"}) == [HELLO]


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_messages_have_what_the_schema_asks_for(path: Path) -> None:
    content = content_of(f"{path.parent.name}/{path.stem}")
    for message in [*(content.input_messages or ()), *(content.output_messages or ())]:
        assert message["role"] in ("system", "user", "assistant", "tool")
        assert message["parts"]
        for part in message["parts"]:
            assert REQUIRED[part["type"]] <= part.keys()
    assert all("finish_reason" in message for message in content.output_messages or ())


def large(response: dict[str, Any], key: str, numbers: Any) -> bytes:
    return json.dumps({name: numbers if name == key else value for name, value in response.items()}).encode()


VECTOR = [0.1] * 4096


@pytest.mark.parametrize(
    ("name", "key", "vectors"),
    [
        ("gemini_embeddings/embeddings", "embeddings", [{"values": VECTOR}, {"values": VECTOR}]),
        ("gemini_embeddings/embeddings_vertex", "embedding", {"values": VECTOR}),
        ("cohere_embed/embeddings", "embeddings", {"float": [VECTOR]}),
        ("ollama/embeddings", "embeddings", [VECTOR]),
    ],
)
def test_vectors_are_passed_over(name: str, key: str, vectors: Any) -> None:
    case, reader = load(name), find_reader(name.partition("/")[0])
    written = large(case["response"], key, vectors)
    backwards = json.dumps(dict(reversed(json.loads(written).items()))).encode()
    short, whole, unread = (Answer() for _ in range(3))
    parsed = reader.parse_response(written, False)
    assert key not in parsed
    assert key in reader.parse_response(backwards, False)
    reader.read_response(parsed, short, False)
    reader.read_response(json.loads(written), whole, False)
    assert short == whole != unread


@pytest.mark.parametrize("name", ["gemini_embeddings", "cohere_embed", "ollama"])
@pytest.mark.parametrize("written", [b"", b"{}", b"[1]", b'{"embeddings": [1], "meta"', b'"usageMetadata""embedding"'])
def test_what_is_no_response_of_embeddings_is_empty(name: str, written: bytes) -> None:
    assert find_reader(name).parse_response(written, False) == {}


def test_tgi_counts_in_its_headers() -> None:
    reader, answer = find_reader("huggingface_text"), Answer()
    reader.read_headers({"x-prompt-tokens": "4", "x-generated-tokens": "3", "x-compute-type": "gpu"}, answer)
    reader.read_response({"generated_text": "hi", "details": {"generated_tokens": 3}}, answer, False)
    assert reader.read_usage(answer.usage) == u.Usage(input_tokens=4, output_tokens=3)
    reader.read_headers({"x-prompt-tokens": "many"}, odd := Answer())
    assert reader.read_usage(odd.usage).is_empty()


@pytest.mark.parametrize(
    ("path", "wire_format"),
    [
        ("/", "huggingface_text"),
        ("/generate", "huggingface_text"),
        ("/v1/generate", "cohere_generate"),
        ("/api/generate", "ollama"),
        ("/api/embeddings", "ollama"),
        ("/v1/embeddings", "openai_embeddings"),
        ("/v1/fim/completions", "openai_completions"),
        ("/v1/agents/completions", "openai_chat"),
        ("/v1/conversations", "mistral_conversations"),
        ("/v1/conversations/conv_1", "mistral_conversations"),
        ("/v1/conversations/conv_1/restart", "mistral_conversations"),
        ("/v1/conversations/conv_1/messages", None),
        ("/v1/conversations/conv_1/items/msg_1", None),
        ("/v1/projects/p/locations/l/publishers/mistralai/models/m:streamRawPredict", "openai_chat"),
        ("/v1beta/openai/chat/completions", "openai_chat"),
        ("/v1beta/models/imagen-4.0-generate-001:predict", "vertex_predict"),
        ("/api/appointments/", None),
        ("/v1/models/tensorflow:predict", None),
        ("/v1beta/models/gemini-2.5-flash:countTokens", None),
        ("/v1beta/models/gemini-2.5-flash:batchGenerateContent", None),
        ("/v1beta/cachedContents", None),
        ("/v1/tokenize", None),
    ],
)
def test_paths(path: str, wire_format: str | None) -> None:
    assert find_format(path) == wire_format


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("us-central1-aiplatform.googleapis.com", "gcp.vertex_ai"),
        ("aiplatform.us.rep.googleapis.com", "gcp.vertex_ai"),
        ("generativelanguage.googleapis.com", "gcp.gemini"),
        ("storage.googleapis.com", None),
        ("api.cohere.ai", "cohere"),
        ("codestral.mistral.ai", "mistral_ai"),
        ("w8.us-east-1.aws.endpoints.huggingface.cloud", "huggingface"),
        ("huggingface.co", None),
        ("ollama.com", "ollama"),
    ],
)
def test_hosts(host: str, provider: str | None) -> None:
    assert Recogniser().provider_of(host) == provider


@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": "cohere/7.3.1", "x-fern-language": "Python"},
        {"user-agent": "mistral-client-python/3.7.0"},
        {"user-agent": "ollama-python/0.6.3 (x86_64 linux) Python/3.11.7"},
        {"x-goog-api-client": "google-genai-sdk/3.4.0 gl-python/3.11.7"},
    ],
)
def test_official_sdks_leave_their_mark(headers: dict[str, str]) -> None:
    assert is_marked(headers)
    assert not is_marked(dict.fromkeys(headers, "python-httpx2/2.16.2"))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", {"inputs": "hello"}),
        ("/", {"query": "{ patients }"}),
        ("/api/chat", {"messages": []}),
        ("/v1/chat", {"message": "hello"}),
        ("/generate", {"prompt": "hello"}),
        ("/rerank", {"query": "hello"}),
        ("/interactions", {"input": "hello"}),
        ("/conversations", {"inputs": "hello"}),
        ("/conversations/7", {"inputs": {"name": "Anna"}, "stream": False}),
    ],
)
def test_what_only_looks_like_a_call_is_none(path: str, body: dict[str, Any]) -> None:
    wire_format = find_format(path)
    assert wire_format is not None
    assert Recogniser().recognise(wire_format, path, "127.0.0.1", {}, json.dumps(body).encode()) is None


def test_code_is_completed_by_mistral() -> None:
    reader, answer = find_reader("openai_completions"), Answer()
    message = {"role": "assistant", "content": "return 1"}
    usage = {"prompt_tokens": 8, "completion_tokens": 3, "total_tokens": 11}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    reader.read_response({"id": "f1", "model": "codestral", "choices": choices, "usage": usage}, answer, True)
    assert reader.read_usage(answer.usage) == u.Usage(input_tokens=8, output_tokens=3)
    request = {"model": "codestral", "prompt": "def one():", "suffix": ""}
    assert reader.read_request(request, "/v1/fim/completions").operation == "text_completion"
    (output,) = reader.read_content(request, answer).output_messages or ()
    assert output["parts"] == [{"type": "text", "content": "return 1"}]


#: Framing -> content type, the text before, of, between and after events.
FRAMES = {
    "events": ("text/event-stream", "", "data: {}\n\n", "", "data: [DONE]\n\n"),
    "crlf": ("text/event-stream", "", "data: {}\r\n\r\n", "", ""),
    "lines": ("application/x-ndjson", "", "{}\n", "", ""),
    "lines of v1": ("application/stream+json", "", "{}\n", "", ""),
    "list": ("application/json", "[", "{}", ",\r\n", "]"),
}
STREAMS = [
    ("gemini_content/generate_content_stream", "events"),
    ("gemini_content/generate_content_stream", "crlf"),
    ("gemini_content/generate_content_stream", "list"),
    ("gemini_interactions/generate_content_stream", "events"),
    ("cohere_chat/chat_stream", "events"),
    ("cohere_chat/chat_stream_tools", "events"),
    ("cohere_chat/chat_v1_stream", "lines of v1"),
    ("ollama/chat_stream", "lines"),
    ("ollama/text_completion_stream", "lines"),
    ("huggingface_text/text_completion_stream", "events"),
]


def framed(events: list[Any], framing: str) -> tuple[str, bytes]:
    content_type, before, event, between, after = FRAMES[framing]
    written = (event.replace("{}", json.dumps(one, separators=(",", ":")), 1) for one in events)
    return content_type, (before + between.join(written) + after).encode()


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[place : place + size] for place in range(0, len(body), size))


def replay(name: str, framing: str, size: int) -> dict[str, Any]:
    """Stream a fixture's events to a real client, which gets them byte for byte; the fixture."""
    case = load(name)
    content_type, body = framed(case["events"], framing)

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": content_type}, content=pieces(body, size))

    url = f"https://provider.example{case['path']}"
    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as client,
        client.stream("POST", url, json=case["request"]) as response,
    ):
        assert b"".join(response.iter_raw()) == body
    return case


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(("name", "framing"), STREAMS, ids="-".join)
def test_a_stream_is_read_however_it_is_cut(recorded: Recorded, name: str, framing: str, size: int) -> None:
    expected = replay(name, framing, size)["answer"]
    (span,) = recorded.spans()
    found = dict(span.attributes or {})
    usage = {key: value for key, value in expected.items() if key.endswith("_tokens")}
    assert u.from_attributes(found) == u.Usage(**usage)
    assert found[a.USAGE_STATUS] == ("reported" if usage else "missing")
    assert found.get(a.RESPONSE_FINISH_REASONS) == tuple(expected["finish_reasons"])
    assert found[a.REQUEST_STREAM] is True


@pytest.mark.parametrize("size", [7, 1 << 20])
@pytest.mark.parametrize(("name", "framing"), STREAMS, ids="-".join)
def test_so_are_its_messages(capturing: Recorded, name: str, framing: str, size: int) -> None:
    replay(name, framing, size)
    (span,) = capturing.spans()
    written = (span.attributes or {})[a.OUTPUT_MESSAGES]
    assert json.loads(str(written)) == content_of(name).output_messages

"""The readers of OpenAI's, Anthropic's and Bedrock's formats: what their fixtures cannot say in one file each."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from otel_llm.providers import find_format, find_reader
from otel_llm.wire import Answer
from otel_llm_semconv import attributes as a
from otel_llm_semconv.usage import Usage

FIXTURES = Path(__file__).parent / "fixtures"
FRAMES = "application/vnd.amazon.eventstream"
PICTURE = base64.b64encode(b"a picture of a kite").decode()


def fixture(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text())
    return found


def read(name: str, *, content: bool = False) -> Answer:
    """The answer of a fixture."""
    case, answer = fixture(name), Answer()
    reader = find_reader(name.partition("/")[0])
    if "response" in case:
        reader.read_response(case["response"], answer, content)
    for event in case.get("events", ()):
        reader.fold_event(event, answer, content)
    return answer


def usage_of(wire_format: str, *bodies: dict[str, Any]) -> Usage:
    """What is counted when events come, or one body."""
    reader, answer = find_reader(wire_format), Answer()
    for body in bodies:
        reader.fold_event(body, answer, False)
    return reader.read_usage(answer.usage)


# --- what was asked for -----------------------------------------------------------------------------------

INVOKE = "/model/{}/invoke"
REQUESTS: list[tuple[str, str, dict[str, Any], tuple[str, str | None, bool], dict[str, Any]]] = [
    (
        "bedrock_converse",
        "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2Feu.amazon.nova-lite-v1%3A0/converse-stream",
        {
            "messages": [],
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["."]},
            "additionalModelRequestFields": {"inferenceConfig": {"topK": 5}},
            "guardrailConfig": {"guardrailIdentifier": "gr-1", "guardrailVersion": "1"},
            "requestMetadata": {"team": "garden", "session_id": "s-1"},
            "outputConfig": {"effort": "low", "textFormat": {"type": "json_schema"}},
        },
        ("chat", "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0", True),
        {
            a.REQUEST_MAX_TOKENS: 9,
            a.REQUEST_TEMPERATURE: 0.5,
            a.REQUEST_TOP_P: 0.9,
            a.REQUEST_TOP_K: 5,
            a.REQUEST_STOP_SEQUENCES: (".",),
            a.BEDROCK_GUARDRAIL_ID: "gr-1",
            a.PROPERTY_PREFIX + "team": "garden",
            a.SESSION_ID: "s-1",
            a.REQUEST_REASONING_LEVEL: "low",
            a.OUTPUT_TYPE: "json",
        },
    ),
    (
        "bedrock_invoke",
        INVOKE.format("amazon.titan-text-lite-v1"),
        {"inputText": "x", "textGenerationConfig": {"maxTokenCount": 9, "topP": 0.5, "stopSequences": ["|"]}},
        ("text_completion", "amazon.titan-text-lite-v1", False),
        {a.REQUEST_MAX_TOKENS: 9, a.REQUEST_TOP_P: 0.5, a.REQUEST_STOP_SEQUENCES: ("|",)},
    ),
    (
        "bedrock_invoke",
        INVOKE.format("us.meta.llama3-3-70b-instruct-v1:0") + "-with-response-stream",
        {"prompt": "x", "max_gen_len": 9, "temperature": 0},
        ("text_completion", "us.meta.llama3-3-70b-instruct-v1:0", True),
        {a.REQUEST_MAX_TOKENS: 9, a.REQUEST_TEMPERATURE: 0},
    ),
    (
        "bedrock_invoke",
        INVOKE.format("apac.anthropic.claude-sonnet-4-20250514-v1:0"),
        {"anthropic_version": "bedrock-2023-05-31", "messages": [], "max_tokens": 9, "metadata": {"user_id": "u-1"}},
        ("chat", "apac.anthropic.claude-sonnet-4-20250514-v1:0", False),
        {a.REQUEST_MAX_TOKENS: 9, a.USER_ID: "u-1"},
    ),
    (
        "bedrock_invoke",
        INVOKE.format("amazon.nova-pro-v1:0"),
        {"messages": [{"role": "user", "content": [{"text": "x"}]}], "inferenceConfig": {"max_new_tokens": 9}},
        ("chat", "amazon.nova-pro-v1:0", False),
        {a.REQUEST_MAX_TOKENS: 9},
    ),
    (
        "bedrock_invoke",
        INVOKE.format("cohere.command-r-v1:0"),
        {"message": "x", "p": 0.5, "k": 3, "stop_sequences": ["|"]},
        ("chat", "cohere.command-r-v1:0", False),
        {a.REQUEST_TOP_P: 0.5, a.REQUEST_TOP_K: 3, a.REQUEST_STOP_SEQUENCES: ("|",)},
    ),
    (
        "bedrock_invoke",
        INVOKE.format("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc"),
        {"inputText": "x", "dimensions": 256},
        ("embeddings", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", False),
        {},
    ),
    (
        "bedrock_invoke",
        INVOKE.format("cohere.embed-v4:0"),
        {"texts": ["x"]},
        ("embeddings", "cohere.embed-v4:0", False),
        {},
    ),
    (
        "bedrock_invoke",
        INVOKE.format("amazon.rerank-v1:0"),
        {"query": "x"},
        ("rerank", "amazon.rerank-v1:0", False),
        {},
    ),
    (
        "bedrock_invoke",
        INVOKE.format("amazon.nova-canvas-v1:0"),
        {"taskType": "TEXT_IMAGE"},
        ("generate_content", "amazon.nova-canvas-v1:0", False),
        {a.OUTPUT_TYPE: "image"},
    ),
    (
        "bedrock_knowledge_base",
        "/retrieveAndGenerate",
        {**fixture("bedrock_knowledge_base/generate")["request"], "sessionId": "s-1", "userContext": {"userId": "u-1"}},
        ("chat", "amazon.nova-pro-v1:0", False),
        {a.BEDROCK_KNOWLEDGE_BASE_ID: "KB12345678", a.CONVERSATION_ID: "s-1", a.USER_ID: "u-1"},
    ),
    (
        "anthropic_messages",
        "/v1/projects/p/locations/global/publishers/anthropic/models/claude-opus-4-1@20250805:streamRawPredict",
        {"anthropic_version": "vertex-2023-10-16", "messages": [], "max_tokens": 9, "stream": True},
        ("chat", "claude-opus-4-1@20250805", True),
        {a.REQUEST_MAX_TOKENS: 9},
    ),
    (
        "anthropic_complete",
        "/v1/complete",
        {"model": "claude-2.1", "prompt": "x", "max_tokens_to_sample": 9, "top_k": 3, "stop_sequences": ["|"]},
        ("text_completion", "claude-2.1", False),
        {a.REQUEST_MAX_TOKENS: 9, a.REQUEST_TOP_K: 3, a.REQUEST_STOP_SEQUENCES: ("|",)},
    ),
    (
        "openai_images",
        "/openai/deployments/painter/images/generations",
        {"prompt": "x", "n": 3, "user": "u-1"},
        ("generate_content", "painter", False),
        {a.OUTPUT_TYPE: "image", a.REQUEST_CHOICE_COUNT: 3, a.USER_ID: "u-1"},
    ),
    (
        "openai_images",
        "/v1/images/variations",
        {"model": "dall-e-2", "n": "2", "stream": "false"},
        ("generate_content", "dall-e-2", False),
        {a.OUTPUT_TYPE: "image", a.REQUEST_CHOICE_COUNT: 2},
    ),
    (
        "openai_audio",
        "/v1/audio/translations",
        {"model": "whisper-1", "temperature": "0.5"},
        ("generate_content", "whisper-1", False),
        {a.OUTPUT_TYPE: "text", a.REQUEST_TEMPERATURE: 0.5},
    ),
    (
        "openai_audio",
        "/v1/audio/speech",
        {"model": "tts-1", "input": "x", "voice": "alloy"},
        ("generate_content", "tts-1", False),
        {a.OUTPUT_TYPE: "speech"},
    ),
]


@pytest.mark.parametrize(("wire_format", "path", "body", "call", "attributes"), REQUESTS)
def test_what_was_asked_for_is_read(
    wire_format: str, path: str, body: dict[str, Any], call: tuple[str, str | None, bool], attributes: dict[str, Any]
) -> None:
    request = find_reader(wire_format).read_request(body, path)
    assert (request.operation, request.model, request.stream) == call
    assert request.attributes == attributes
    assert request.operation in a.INFERENCE_OPERATIONS


@pytest.mark.parametrize(
    ("path", "wire_format"),
    [
        ("/model/anthropic.claude-3-haiku-20240307-v1:0/count-tokens", None),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict", None),
        ("/v1/moderations", None),
        ("/v1/threads/thread_1/messages", None),
        ("/v1/messages/count_tokens", None),
        (
            "/v1/projects/p/locations/l/publishers/anthropic/models/claude-3-haiku@20240307:rawPredict",
            "anthropic_messages",
        ),
        ("/anthropic/v1/messages", "anthropic_messages"),
        ("/openai/v1/responses", "openai_responses"),
        ("/openai/v1/chat/completions", "openai_chat"),
        ("/models/chat/completions", "openai_chat"),
        ("/v1/projects/p/locations/l/endpoints/openapi/chat/completions", "openai_chat"),
        ("/model/arn:aws:bedrock:us-east-1:1:inference-profile/us.x.y/invoke", "bedrock_invoke"),
        ("/api/v1/images", "openai_images"),
    ],
)
def test_a_path_tells_calls_from_what_stands_beside_them(path: str, wire_format: str | None) -> None:
    assert find_format(path) == wire_format


# --- what it costs, as the vendor says --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cost_usd"),
    [
        ("openai_chat/chat_openrouter", 0.000321),
        ("openai_chat/chat_stream_openrouter", 0.0001),
        ("openai_chat/chat_perplexity", 0.0208),
        ("openai_chat/chat_xai", 0.0037756),
        ("openai_chat/chat_deepinfra", 0.0000061),
        ("openai_responses/response_perplexity", 0.00503),
        ("openai_chat/chat_together", None),
        ("openai_responses/response", None),
    ],
)
def test_a_vendor_that_says_its_price_is_believed(name: str, cost_usd: float | None) -> None:
    assert read(name).declared_cost_usd == cost_usd


@pytest.mark.parametrize(
    ("usage", "cost_usd"),
    [
        ({"cost": 0}, 0),  # a free model of OpenRouter
        ({"cost_in_usd_ticks": 0}, None),  # Grok on Vertex AI
        ({"cost": {"total_cost": 0, "input_tokens_cost": 0}}, None),  # Perplexity, before the stream ends
        ({"cost": -1}, None),
        ({"cost": "free"}, None),
        ({"cost": True}, None),
        ({"cost": None, "estimated_cost": 0.5}, 0.5),
    ],
)
def test_a_price_that_says_nothing_is_no_price(usage: dict[str, Any], cost_usd: float | None) -> None:
    answer = Answer()
    find_reader("openai_chat").read_response({"usage": {"prompt_tokens": 1, **usage}}, answer, False)
    assert answer.declared_cost_usd == cost_usd


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Two and "}, {"type": "text", "text": "two."}]}
REFERENCE = {"type": "reference", "reference_ids": [1]}
FOUR = {"type": "text", "text": "Four"}


def test_mistral_thinks_in_parts_of_the_content() -> None:
    reader, whole, streamed = find_reader("openai_chat"), Answer(), Answer()
    message = {"role": "assistant", "content": [THOUGHT, FOUR, REFERENCE]}
    reader.read_response({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}, whole, True)
    asked = reader.read_content({"messages": [message]}, whole)
    parts = [{"type": "reasoning", "content": "Two and two."}, {"type": "text", "content": "Four"}]
    reference = {"type": "generic", "generic_type": "reference"}
    assert [message["parts"] for message in asked.input_messages or ()] == [[*parts, reference]]
    assert asked.output_messages == [{"role": "assistant", "parts": [*parts, reference], "finish_reason": "stop"}]
    for content in ([THOUGHT], [FOUR, REFERENCE], "!", [{"type": "thinking", "thinking": "?"}]):
        reader.fold_event({"choices": [{"index": 0, "delta": {"content": content}}]}, streamed, True)
    said = reader.read_content({}, streamed).output_messages or []
    assert said[0]["parts"] == [parts[0], {"type": "text", "content": "Four!"}]


# --- counts -----------------------------------------------------------------------------------------------


def test_reasoning_is_added_only_where_the_vendor_left_it_out() -> None:
    inside = {"prompt_tokens": 43, "completion_tokens": 10, "total_tokens": 53}
    details = {"completion_tokens_details": {"reasoning_tokens": 11}}
    assert usage_of("openai_chat", {"usage": inside | details}).output_tokens == 10
    assert usage_of("openai_chat", {"usage": inside | details | {"total_tokens": 64}}).output_tokens == 21
    assert usage_of("openai_chat", {"usage": details}).output_tokens is None


def test_timings_of_llama_cpp_stand_in_for_usage_only() -> None:
    timings = {"timings": {"cache_n": 16, "prompt_n": 4, "predicted_n": 5}}
    assert usage_of("openai_chat", timings) == Usage(input_tokens=20, output_tokens=5, cache_read_tokens=16)
    reported = {"usage": {"prompt_tokens": 21, "completion_tokens": 6}}
    assert usage_of("openai_chat", reported, timings) == Usage(input_tokens=21, output_tokens=6)
    old = {"timings": {"prompt_n": 4, "predicted_n": 5}}  # leaves out what was cached, without saying how much
    assert usage_of("openai_chat", old) == Usage(output_tokens=5)


def test_a_fast_answer_of_anthropic_is_no_standard_one() -> None:
    reader, answer = find_reader("anthropic_messages"), Answer()
    reader.read_response({"type": "message", "usage": {"service_tier": "standard", "speed": "fast"}}, answer, False)
    assert reader.response_attributes(answer) == {a.SERVICE_TIER: "fast"}


def test_pictures_have_counts_of_their_own() -> None:
    usage = find_reader("openai_images").read_usage(read("openai_images/generation").usage)
    assert (usage.image_input_tokens, usage.image_output_tokens) == (0, 540)


@pytest.mark.parametrize(("said", "place"), [("us", "us"), ("global", None), ("not_available", None), (7, None)])
def test_where_inference_was_kept_to_is_told_where_it_has_a_price(said: Any, place: str | None) -> None:
    reader, answer = find_reader("anthropic_messages"), Answer()
    reader.read_response({"type": "message", "usage": {"input_tokens": 1, "inference_geo": said}}, answer, False)
    assert answer.place == place
    assert reader.response_attributes(answer).get(a.INFERENCE_PLACE) == place


def test_the_model_behind_a_router_is_the_one_that_answered() -> None:
    reader, answer = find_reader("bedrock_converse"), Answer()
    router = {"promptRouter": {"invokedModelId": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"}}
    reader.read_response({"output": {}, "trace": router, "serviceTier": {"type": "flex"}}, answer, False)
    assert answer.model == "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"
    assert reader.response_attributes(answer) == {a.SERVICE_TIER: "flex"}


@pytest.mark.parametrize("wire_format", ["bedrock_converse", "bedrock_invoke", "bedrock_knowledge_base"])
def test_an_error_of_bedrock_is_named_by_a_header(wire_format: str) -> None:
    reader, answer = find_reader(wire_format), Answer()
    reader.read_headers({"x-amzn-errortype": "ValidationException:http://internal.amazon.com/"}, answer)
    reader.read_response({"message": "No such model."}, answer, False)
    assert (answer.error_type, answer.error_message) == ("ValidationException", "No such model.")


COUNTED = {"x-amzn-bedrock-input-token-count": "13", "x-amzn-bedrock-output-token-count": "6"}
CACHED = {"x-amzn-bedrock-cache-read-input-token-count": "8", "x-amzn-bedrock-cache-write-input-token-count": "2"}


@pytest.mark.parametrize(
    ("name", "headers", "usage"),
    [
        ("mistral", COUNTED, Usage(input_tokens=13, output_tokens=6)),
        (
            "command",
            COUNTED | CACHED,
            Usage(input_tokens=23, output_tokens=6, cache_read_tokens=8, cache_write_tokens=2),
        ),
        ("llama", {"x-amzn-bedrock-input-token-count": "99"}, Usage(input_tokens=13, output_tokens=6)),
        ("gpt_oss", {"x-amzn-bedrock-input-token-count": "99"}, Usage(input_tokens=13, output_tokens=6)),
        ("mistral", {"x-amzn-bedrock-input-token-count": "many"}, Usage()),
    ],
)
def test_what_bedrock_counted_stands_in_for_a_body_without_usage(
    name: str, headers: dict[str, str], usage: Usage
) -> None:
    reader, answer = find_reader("bedrock_invoke"), Answer()
    reader.read_headers(headers, answer)
    reader.read_response(fixture(f"bedrock_invoke/{name}")["response"], answer, False)
    assert reader.read_usage(answer.usage) == usage


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 13, "outputTokenCount": 6, "firstByteLatency": 9}}
STREAMS: list[tuple[str, list[dict[str, Any]], str, str]] = [
    (
        "llama",
        [
            {"generation": "Ei", "prompt_token_count": 13, "generation_token_count": 1, "stop_reason": None},
            {"generation": "bsee", "prompt_token_count": None, "generation_token_count": 6, "stop_reason": None},
            {"generation": "", "prompt_token_count": None, "generation_token_count": 6, "stop_reason": "stop"}
            | METRICS,
        ],
        "Eibsee",
        "stop",
    ),
    (
        "titan",
        [
            {
                "outputText": "Eib",
                "index": 0,
                "totalOutputTextTokenCount": 2,
                "completionReason": None,
                "inputTextTokenCount": 13,
            },
            {
                "outputText": "see",
                "index": 0,
                "totalOutputTextTokenCount": 6,
                "completionReason": "FINISH",
                "inputTextTokenCount": 13,
            }
            | METRICS,
        ],
        "Eibsee",
        "FINISH",
    ),
    (
        "mistral",
        [
            {"outputs": [{"text": "Eib", "stop_reason": None}]},
            {"outputs": [{"text": "see", "stop_reason": "stop"}]} | METRICS,
        ],
        "Eibsee",
        "stop",
    ),
    (
        "gpt_oss",
        [
            {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "Eib"}, "finish_reason": None}]},
            {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "see"}, "finish_reason": "stop"}]}
            | METRICS,
        ],
        "Eibsee",
        "stop",
    ),
    (
        "command",
        [
            {"is_finished": False, "event_type": "text-generation", "text": "Eib"},
            {"is_finished": False, "event_type": "text-generation", "text": "see"},
            {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE"} | METRICS,
        ],
        "Eibsee",
        "COMPLETE",
    ),
]


@pytest.mark.parametrize(("name", "events", "said", "reason"), STREAMS, ids=[case[0] for case in STREAMS])
def test_each_maker_streams_its_own_way(name: str, events: list[dict[str, Any]], said: str, reason: str) -> None:
    reader, answer = find_reader("bedrock_invoke"), Answer()
    for event in events:
        reader.fold_event(event, answer, True)
        assert reader.is_last(b"", event) is (event is events[-1])
    assert answer.finish_reasons == {0: reason}
    assert reader.read_usage(answer.usage) == Usage(input_tokens=13, output_tokens=6)
    content = reader.read_content(fixture(f"bedrock_invoke/{name}")["request"], answer)
    assert content.output_messages is not None
    assert content.output_messages[0]["parts"] == [{"type": "text", "content": said}]


# --- content ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "said", "reason"),
    [
        (
            "anthropic_complete/completion_stream",
            "\n\nHuman: Which colour is a ripe lemon?\n\nAssistant:",
            " Yellow.",
            "stop",
        ),
        ("bedrock_converse/converse", "Name a river.", "Elbe", "stop"),
        ("bedrock_converse/converse_stream", "Name a river.", "Elbe", "stop"),
        ("bedrock_converse/converse_stream_error", "Name a river.", "El", "error"),
        ("bedrock_invoke/anthropic", "Name a lake.", "Ammersee", "stop"),
        ("bedrock_invoke/anthropic_stream", "Name a lake.", "Ammersee", "stop"),
        ("bedrock_invoke/nova", "Name a lake.", "Chiemsee", "stop"),
        ("bedrock_invoke/nova_stream", "Name a lake.", "Chiemsee", "stop"),
        ("bedrock_invoke/titan", "Name a lake.", "\nWalchensee", "stop"),
        ("bedrock_invoke/llama", "Name a lake.", "Eibsee", "stop"),
        ("bedrock_invoke/deepseek", "Name a lake.", "Eibsee", "length"),
        ("bedrock_invoke/gpt_oss", "Name a lake.", "Eibsee", "stop"),
        ("bedrock_knowledge_base/generate", "Who waters the roses?", "The gardener.", "stop"),
        ("openai_audio/speech_stream", "Good morning.", None, None),
        ("openai_audio/transcription", None, "Good morning.", "stop"),
        ("openai_audio/transcription_stream", None, "Good morning.", "stop"),
    ],
)
def test_content_is_read(name: str, asked: str | None, said: str | None, reason: str | None) -> None:
    content = find_reader(name.partition("/")[0]).read_content(fixture(name)["request"], read(name, content=True))
    given = content.input_messages
    assert given == (asked and [{"role": "user", "parts": [{"type": "text", "content": asked}]}])
    made = content.output_messages
    part = {"type": "text", "content": said}
    assert made == (said and [{"role": "assistant", "parts": [part], "finish_reason": reason}])


def test_blocks_of_converse_are_read() -> None:
    body = {
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"image": {"format": "png", "source": {"bytes": PICTURE}}},
                    {"document": {"format": "pdf", "name": "d", "source": {"s3Location": {"uri": "s3://b/d.pdf"}}}},
                    {"guardContent": {"text": {"text": "Guarded."}}},
                ],
            },
            {"role": "user", "content": [{"toolResult": {"toolUseId": "t-1", "content": [{"json": {"c": 21}}]}}]},
        ],
        "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]},
    }
    reader, answer = find_reader("bedrock_converse"), Answer()
    for event in (
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}}},
        {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t-2", "name": "weather"}}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"at":'}}}},
        {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '"Ulm"}'}}}},
        {"messageStop": {"stopReason": "tool_use"}},
    ):
        reader.fold_event(event, answer, True)
    content = reader.read_content(body, answer)
    assert content.system_instructions == [{"type": "text", "content": "Be brief."}]
    assert content.tool_definitions == [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    (seen, result) = content.input_messages or []
    picture, document, guarded = seen["parts"]
    assert (picture["type"], picture["mime_type"], picture["size_bytes"]) == ("blob", "image/png", 19)
    assert document == {"type": "uri", "modality": "document", "mime_type": "application/pdf", "uri": "s3://b/d.pdf"}
    assert guarded == {"type": "text", "content": "Guarded."}
    response = {"type": "tool_call_response", "id": "t-1", "response": [{"c": 21}]}
    assert result == {"role": "tool", "parts": [response]}
    assert content.output_messages == [
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Hm."},
                {"type": "tool_call", "id": "t-2", "name": "weather", "arguments": {"at": "Ulm"}},
            ],
            "finish_reason": "tool_call",
        }
    ]


def test_pictures_are_cut_out_before_the_rest_is_parsed() -> None:
    reader = find_reader("openai_images")
    picture = base64.b64encode(bytes(5000)).decode()
    body = {
        "created": 1,
        "data": [{"b64_json": picture, "revised_prompt": "a [red] kite"}],
        "usage": {"input_tokens": 3},
    }
    written = json.dumps(body).encode()
    assert reader.parse_response(written, False) == {"created": 1, "data": None, "usage": {"input_tokens": 3}}
    assert reader.parse_response(written, True) == body


def test_items_of_responses_are_read() -> None:
    link = f"data:application/pdf;base64,{PICTURE}"
    body = {
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": link}]},
            {"type": "function_call", "call_id": "c-1", "name": "birds", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c-1", "output": [{"type": "input_image", "image_url": link}]},
        ],
    }
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gAAA"},
        {"type": "web_search_call", "id": "ws-1", "status": "completed", "action": {"type": "search", "query": "wren"}},
        {"type": "image_generation_call", "id": "ig-1", "output_format": "png", "result": PICTURE},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Wren"}]},
    ]
    reader, answer = find_reader("openai_responses"), Answer()
    reader.read_response({"status": "completed", "output": output}, answer, True)
    content = reader.read_content(body, answer)
    assert PICTURE not in str(content)
    assert content.system_instructions == [{"type": "text", "content": "Be brief."}]
    asked, called, result = content.input_messages or []
    assert (asked["parts"][0]["modality"], asked["parts"][0]["size_bytes"]) == ("document", 19)
    assert called["parts"] == [{"type": "tool_call", "id": "c-1", "name": "birds", "arguments": {}}]
    assert result["role"] == "tool"
    assert result["parts"][0]["response"][0]["type"] == "blob"
    (message,) = content.output_messages or []
    thought, search, picture, said = message["parts"]
    assert thought == {"type": "reasoning", "content": "Hm."}
    action = {"type": "search", "query": "wren"}
    assert search["server_tool_call"] == {"type": "web_search_call", "action": action}
    assert (search["type"], search["name"], search["id"]) == ("server_tool_call", "web_search", "ws-1")
    assert (picture["type"], picture["mime_type"], picture["size_bytes"]) == ("blob", "image/png", 19)
    assert (said, message["finish_reason"]) == ({"type": "text", "content": "Wren"}, "stop")

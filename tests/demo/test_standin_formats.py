"""Every wire format of the stand-in: answers, streams, usage, failures, each as its provider does it."""

from __future__ import annotations

import base64
import http.client
import io
import json
import struct
from collections.abc import Container, Mapping
from typing import Any

import anthropic
import openai
import pytest

from otel_llm_collector.demo.standin import Standin
from otel_llm_collector.demo.standin.formats import ROUTES, find

from .wires import CASES, CONTENTS, CONVERSE_HELLO, FORM, HELLO, SONNET, Case, ask, ask_for_stream, contains, post

TOLD = {name: case for name, case in CASES.items() if case.told}
STREAMS = {name: case for name, case in CASES.items() if case.streamed is not None}
SOUND = ("openai speech",)  # whose plain answer is no JSON, and tells no usage
JSON = {name: case for name, case in CASES.items() if name not in SOUND}
PARAMETERS: Any = {"type": "object", "properties": {"level": {"type": "integer"}}}


def each(cases: Mapping[str, Case], but: Container[str] = ()) -> pytest.MarkDecorator:
    chosen = {name: case for name, case in cases.items() if name not in but}
    return pytest.mark.parametrize("case", chosen.values(), ids=chosen.keys())


# --- all formats --------------------------------------------------------------------------------------------------


def test_every_route_has_a_case() -> None:
    asked = [path.partition("?")[0] for case in CASES.values() for path in (case.path, case.stream_path) if path]
    spoken = {id(route[0]) for path in asked if (route := find("POST", path))}
    silent = [path for method, path, wire in ROUTES if method == "POST" and id(wire) not in spoken]
    assert silent == []


@each(JSON)
def test_an_answer_is_logged_with_what_it_told(standin: Standin, case: Case) -> None:
    answer = ask(standin, case)
    [call] = standin.calls
    assert (answer.status, call.status, call.fault, call.stream) == (200, 200, None, False)
    assert call.request_id in answer.headers.values()
    assert call.endpoint == case.path.partition("?")[0]
    assert (call.usage is None) == (case.told is None and "image" not in case.path)
    assert call.usage is None or contains(answer.json, call.usage)
    assert (call.tokens is None) == (case.tokens is None and "image" not in case.path)


@each(TOLD, but=(*SOUND, "openai images", "cohere rerank"))
def test_the_same_request_costs_the_same(case: Case) -> None:
    def cost(seed: int) -> Any:
        with Standin(seed=seed) as running:
            ask(running, case)
            ask(running, case)
            first, second = running.calls
            assert first.usage == second.usage
            return first.usage

    assert cost(1) == cost(1)
    assert any(cost(1) != cost(seed) for seed in (2, 3, 4))


@each(TOLD, but=SOUND)
def test_a_usage_that_is_dictated_is_reported_as_it_is(standin: Standin, case: Case) -> None:
    answer = ask(standin, case, {"x-standin-usage": json.dumps(case.told)})
    assert contains(answer.json, case.told or {})
    [call] = standin.calls
    assert (call.usage, call.tokens) == (case.told, case.tokens)


@each({name: case for name, case in STREAMS.items() if case.told})
def test_a_stream_reports_it_too(standin: Standin, case: Case) -> None:
    messages = ask_for_stream(standin, case, {"x-standin-usage": json.dumps(case.told)}).messages
    assert all(contains(messages, {key: value}) for key, value in (case.told or {}).items())
    [call] = standin.calls
    assert (call.stream, call.usage, call.tokens) == (True, case.told, case.tokens)


@each(STREAMS, but=SOUND)
def test_a_stream_costs_what_the_plain_answer_costs(standin: Standin, case: Case) -> None:
    streamed = ask_for_stream(standin, case)
    assert streamed.headers["transfer-encoding"] == "chunked"
    assert len(streamed.messages) > 1
    ask(standin, case)
    first, second = standin.calls
    assert (first.stream, first.tokens) == (True, second.tokens)


@each(CASES)
def test_a_failure_is_the_providers_own(standin: Standin, case: Case) -> None:
    answer = ask(standin, case, {"x-standin-fault": "429"})
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert error_text(answer.json) == "Rate limit reached, please slow down."
    [call] = standin.calls
    assert (call.status, call.fault, call.usage, call.tokens) == (429, "429", None, None)


def error_text(body: Any) -> Any:
    error = body.get("error", body)
    return error if isinstance(error, str) else error["message"]


@each(STREAMS)
def test_a_stream_can_break_with_an_error(standin: Standin, case: Case) -> None:
    whole = len(ask_for_stream(standin, case).messages)
    broken = ask_for_stream(standin, case, {"x-standin-fault": "sse_error"})
    assert 0 < len(broken.messages) <= whole
    assert "Overloaded" in json.dumps(broken.messages[-1])
    assert standin.calls[1].fault == "sse_error"


@each(STREAMS)
def test_an_answer_can_be_cut_or_not_come(standin: Standin, case: Case) -> None:
    with pytest.raises(http.client.IncompleteRead):
        ask_for_stream(standin, case, {"x-standin-fault": "cut"})
    with pytest.raises(http.client.IncompleteRead):
        ask(standin, case, {"x-standin-fault": "cut"})
    with pytest.raises(http.client.RemoteDisconnected):
        ask(standin, case, {"x-standin-fault": "drop"})
    assert [call.fault for call in standin.calls] == ["cut", "cut", "drop"]
    assert standin.calls[1].tokens is None


@each(JSON)
def test_an_answer_is_compressed_for_who_takes_it(case: Case) -> None:
    with Standin(compress=True) as running:
        squeezed, plain = ask(running, case, {"accept-encoding": "gzip"}), ask(running, case)
        assert running.calls[0].usage == running.calls[1].usage
    assert squeezed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert type(squeezed.json) is type(plain.json)


@each(STREAMS)
def test_a_stream_is_compressed_for_who_takes_it(case: Case) -> None:
    with Standin(compress=True) as running:
        squeezed, plain = ask_for_stream(running, case, {"accept-encoding": "gzip"}), ask_for_stream(running, case)
    assert squeezed.headers["content-encoding"] == "gzip"
    assert len(squeezed.messages) == len(plain.messages)


def test_a_model_in_the_path_fails_on_demand_and_n_times(standin: Standin) -> None:
    path = "/v1beta/models/standin-503*2:generateContent"
    assert [post(standin, path, {"contents": CONTENTS}).status for _ in range(4)] == [503, 503, 200, 200]
    converse = "/model/standin-503*2/converse"
    statuses = [
        post(standin, converse, {"messages": CONVERSE_HELLO}, {"amz-sdk-request": f"attempt={i}; max=3"}).status
        for i in (1, 2, 3)
    ]
    assert statuses == [503, 503, 200]


# --- OpenAI -------------------------------------------------------------------------------------------------------


def test_responses_are_what_the_sdk_expects(gpt: openai.OpenAI, standin: Standin) -> None:
    plain = gpt.responses.create(model="gpt-5-mini", input="How urgent?", instructions="Be brief.")
    assert plain.usage
    assert plain.usage.output_tokens_details.reasoning_tokens < plain.usage.output_tokens
    assert [item.type for item in plain.output] == ["reasoning", "message"]
    with gpt.responses.stream(model="gpt-5-mini", input="How urgent?", instructions="Be brief.") as events:
        seen = [(event.type, event.sequence_number) for event in events]
        final = events.get_final_response()
    assert (final.usage, final.output_text) == (plain.usage, plain.output_text)
    kinds = [kind for kind, _ in seen]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert standin.calls[0].tokens == standin.calls[1].tokens


def test_a_stored_response_is_fetched_again_and_not_billed_again(gpt: openai.OpenAI, standin: Standin) -> None:
    first = gpt.responses.create(model="gpt-4o", input="How urgent?")
    again = gpt.responses.retrieve(first.id)
    assert again.to_dict() == first.to_dict()
    [*_, last] = gpt.responses.retrieve(first.id, stream=True)
    assert last.type == "response.completed"
    assert last.response.usage == first.usage
    assert [(call.method, call.tokens is None) for call in standin.calls] == [
        ("POST", False),
        ("GET", True),
        ("GET", True),
    ]
    forgotten = gpt.responses.create(model="gpt-4o", input="How urgent?", store=False)
    for unknown in (forgotten.id, "resp_unknown"):
        with pytest.raises(openai.NotFoundError):
            gpt.responses.retrieve(unknown)


def test_responses_call_tools_and_stop_at_limits(gpt: openai.OpenAI) -> None:
    tools: Any = [{"type": "function", "name": "admit", "parameters": PARAMETERS}]
    for item in gpt.responses.create(model="gpt-4o", input="x", tools=tools).output:
        assert item.type == "function_call"
        assert isinstance(json.loads(item.arguments)["level"], int)
    short = gpt.responses.create(model="gpt-4o", input="x", max_output_tokens=16)
    assert short.incomplete_details
    assert (short.status, short.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    [*_, last] = gpt.responses.create(model="standin-sse_error", input="x", stream=True)
    assert last.type == "error"


def test_embeddings_are_the_same_in_both_encodings(gpt: openai.OpenAI) -> None:
    packed = gpt.embeddings.create(model="text-embedding-3-large", input=["wrist", "ankle"])  # the SDK asks for base64
    plain = gpt.embeddings.create(
        model="text-embedding-3-large", input=["wrist", "ankle"], encoding_format="float", dimensions=3072
    )
    assert [len(each.embedding) for each in packed.data] == [3072, 3072]
    raw = gpt.embeddings.with_raw_response.create(model="m", input="x", encoding_format="base64", dimensions=2)
    encoded = json.loads(raw.content)["data"][0]["embedding"]
    assert len(struct.unpack("<2f", base64.b64decode(encoded))) == 2
    assert plain.data[0].embedding != plain.data[1].embedding


def test_completions_images_sound_and_moderation(gpt: openai.OpenAI) -> None:
    options: Any = {"include_usage": True}
    plain = gpt.completions.create(model="davinci-002", prompt="wrist", max_tokens=500)
    chunks = list(
        gpt.completions.create(model="davinci-002", prompt="wrist", max_tokens=500, stream=True, stream_options=options)
    )
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == plain.choices[0].text
    assert chunks[-1].usage == plain.usage
    picture = gpt.images.edit(model="gpt-image-1", prompt="a wrist", image=io.BytesIO(b"\x89PNG"), quality="low")
    assert picture.usage
    assert picture.usage.input_tokens_details.image_tokens > 0
    assert picture.usage.output_tokens == 272
    assert gpt.images.generate(model="dall-e-2", prompt="a wrist").usage is None
    assert gpt.audio.speech.create(model="tts-1", voice="alloy", input="wrist").content.startswith(b"RIFF")
    heard = gpt.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.wav", b"RIFF\x00\xff"))
    assert heard.usage
    assert heard.usage.type == "tokens"
    spelled = gpt.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF\x00\xff"))
    assert spelled.usage
    assert spelled.usage.type == "duration"
    assert gpt.moderations.create(input=["a", "b"]).results[1].flagged is False


def test_a_form_is_read_without_its_files(standin: Standin) -> None:
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert post(standin, "/v1/audio/transcriptions", FORM, form).json["text"]
    assert standin.calls[0].request_model == "gpt-4o-transcribe"


def test_azure_names_the_model_behind_a_deployment(standin: Standin) -> None:
    with openai.AzureOpenAI(azure_endpoint=standin.azure_url, api_version="2025-04-01-preview", api_key="x") as azure:
        answer = azure.chat.completions.create(model="our-gpt-4.1-mini", messages=HELLO)
        chunks = list(azure.chat.completions.create(model="ours", messages=HELLO, stream=True))
    assert answer.model == "gpt-4.1-mini-2025-04-14"
    assert answer.model_extra
    assert "prompt_filter_results" in answer.model_extra
    assert (chunks[0].choices, chunks[0].model, chunks[1].model) == ([], "", "gpt-4o-mini-2024-07-18")
    assert {call.provider for call in standin.calls} == {"azure.ai.openai"}


# --- Anthropic, Google, AWS -----------------------------------------------------------------------------------------


def test_claude_says_the_same_on_vertex_and_bedrock(claude: anthropic.Anthropic, standin: Standin) -> None:
    assert claude.messages.count_tokens(model="claude-haiku-4-5", messages=HELLO).input_tokens > 0
    on_vertex = anthropic.AnthropicVertex(
        base_url=f"{standin.vertex_url}/v1", project_id="p", region="eu", access_token="t", max_retries=0
    )
    with on_vertex as vertex:
        request: Any = {"model": "claude-sonnet-4-5@20250929", "max_tokens": 99, "messages": HELLO}
        plain = vertex.messages.create(**request)
        with vertex.messages.stream(**request) as events:
            assert events.get_final_message().usage.to_dict() == plain.usage.to_dict()
    assert plain.model == "claude-sonnet-4-5-20250929"
    body = CASES["bedrock claude"].body
    on_bedrock = post(standin, f"/model/{SONNET}/invoke", body)
    assert on_bedrock.json["model"] == "claude-sonnet-4-5-20250929"
    assert on_bedrock.headers["x-amzn-bedrock-output-token-count"] == str(on_bedrock.json["usage"]["output_tokens"])


def test_gemini_counts_thoughts_apart_and_leaves_zeros_out(standin: Standin) -> None:
    path = "/v1beta/models/{}:generateContent"
    thinking = post(standin, path.format("gemini-2.5-pro"), {"contents": CONTENTS}).json["usageMetadata"]
    parts = (thinking["promptTokenCount"], thinking["candidatesTokenCount"], thinking["thoughtsTokenCount"])
    assert sum(parts) == thinking["totalTokenCount"]
    assert standin.calls[0].tokens
    assert standin.calls[0].tokens["output"] == parts[1] + parts[2]
    off = {"contents": CONTENTS, "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}
    assert "thoughtsTokenCount" not in post(standin, path.format("gemini-2.5-pro"), off).json["usageMetadata"]
    tools = [{"functionDeclarations": [{"name": "admit", "parameters": {"type": "OBJECT", "properties": {}}}]}]
    [part] = post(standin, path.format("gemini-2.0-flash"), {"contents": CONTENTS, "tools": tools}).json["candidates"][
        0
    ]["content"]["parts"]
    assert part["functionCall"]["name"] == "admit"


def test_a_list_that_breaks_at_once_is_a_list(standin: Standin) -> None:
    tools = [{"functionDeclarations": [{"name": "admit"}]}]
    path = "/v1beta/models/gemini-2.0-flash:streamGenerateContent"
    answer = post(standin, path, {"contents": CONTENTS, "tools": tools}, {"x-standin-fault": "sse_error"})
    assert [message.keys() & {"candidates", "error"} for message in answer.json] == [{"candidates"}, {"error"}]


def test_an_older_embedding_model_of_google_tells_no_usage(standin: Standin) -> None:
    body = {"requests": [{"content": CONTENTS[0], "outputDimensionality": 8}]}
    answer = post(standin, "/v1beta/models/gemini-embedding-001:batchEmbedContents", body).json
    assert answer.keys() == {"embeddings"}
    assert (standin.calls[0].usage, standin.calls[0].tokens) == (None, None)


def test_an_interaction_is_fetched_again(standin: Standin) -> None:
    first = post(standin, "/v1beta/interactions", {"model": "gemini-2.5-flash", "input": "wrist"}).json
    connection = http.client.HTTPConnection(standin.url.removeprefix("http://"), timeout=10)
    connection.request("GET", f"/v1beta/interactions/{first['id']}")
    assert json.loads(connection.getresponse().read()) == first
    connection.close()
    assert standin.calls[1].tokens is None


def test_converse_counts_the_cache_apart(standin: Standin) -> None:
    marked = {"messages": CONVERSE_HELLO, "system": [{"text": "x"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]}
    totals = []
    for i in range(8):  # some draw reads and writes
        body = marked | {"inferenceConfig": {"maxTokens": 100 + i}}
        usage = post(standin, f"/model/{SONNET}/converse", body).json["usage"]
        tokens = standin.calls[-1].tokens
        assert tokens
        cached = usage["cacheReadInputTokens"] + usage["cacheWriteInputTokens"]
        assert tokens["input"] == usage["inputTokens"] + cached == usage["totalTokens"] - usage["outputTokens"]
        totals.append(tokens.get("cache_write_1h", 0))
    assert any(totals)
    bare = post(standin, "/model/qwen.qwen3-32b-v1%3A0/converse", marked).json["usage"]
    assert "cacheReadInputTokens" not in bare


def test_an_event_stream_ends_in_an_exception_and_in_metrics(standin: Standin) -> None:
    body = {"messages": CONVERSE_HELLO, "toolConfig": {"tools": [{"toolSpec": spec()}]}}
    messages = kinds_of(
        ask_for_stream(standin, Case("", body, stream_path=f"/model/{SONNET}/converse-stream")).messages
    )
    assert messages[:2] == ["messageStart", "contentBlockStart"]
    assert messages[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    fault = {"x-standin-fault": "sse_error"}
    broken = ask_for_stream(standin, CASES["bedrock converse"], fault).messages
    assert broken[-1] == {"modelStreamErrorException": {"message": "Overloaded"}}
    [*_, last] = ask_for_stream(standin, CASES["bedrock claude"]).messages
    assert last["amazon-bedrock-invocationMetrics"]["outputTokenCount"] > 0


def spec() -> dict[str, Any]:
    return {"name": "admit", "inputSchema": {"json": PARAMETERS}}


def kinds_of(messages: list[Any]) -> list[str]:
    return [next(iter(message)) for message in messages]


# --- the others -----------------------------------------------------------------------------------------------------


def test_cohere_bills_less_than_it_consumed(standin: Standin) -> None:
    usage = ask(standin, CASES["cohere chat"]).json["usage"]
    assert usage["billed_units"]["input_tokens"] < usage["tokens"]["input_tokens"]
    kinds = [message["type"] for message in ask_for_stream(standin, CASES["cohere chat"]).messages]
    assert (kinds[:2], kinds[-2:]) == (["message-start", "content-start"], ["content-end", "message-end"])
    ranked = ask(standin, CASES["cohere rerank"]).json["results"]
    assert len(ranked) == 2
    assert ranked[0]["relevance_score"] >= ranked[1]["relevance_score"]


def test_ollama_streams_unless_told_not_to(standin: Standin) -> None:
    streamed = post(standin, "/api/chat", {"model": "llama3", "messages": HELLO}).messages
    assert [message["done"] for message in streamed] == [False] * (len(streamed) - 1) + [True]
    assert "eval_count" not in streamed[0]
    plain = ask(standin, CASES["ollama chat"]).json
    assert "".join(message["message"]["content"] for message in streamed) == plain["message"]["content"]
    tools = [{"type": "function", "function": {"name": "admit", "parameters": PARAMETERS}}]
    called = post(standin, "/api/chat", {"model": "llama3", "messages": HELLO, "tools": tools, "stream": False}).json
    assert isinstance(called["message"]["tool_calls"][0]["function"]["arguments"]["level"], int)


def test_mistral_tells_usage_unasked_and_calls_tools_whole(standin: Standin) -> None:
    tools = [{"type": "function", "function": {"name": "admit", "parameters": PARAMETERS}}]
    body = {"model": "mistral-small-latest", "messages": HELLO, "tools": tools, "stream": True}
    [*_, last] = post(standin, "/mistral/v1/chat/completions", body).messages
    assert last["usage"]["total_tokens"] > 0
    [call] = last["choices"][0]["delta"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]).keys() == {"level"}


def test_text_generation_counts_where_details_are_asked_for(standin: Standin) -> None:
    asked = {"inputs": "wrist", "parameters": {"details": True, "max_new_tokens": 5}}
    [answer] = post(standin, "/huggingface/models/meta-llama/L", asked).json
    assert (answer["details"]["generated_tokens"], answer["details"]["finish_reason"]) == (5, "length")
    assert post(standin, "/huggingface/generate", {"inputs": "wrist"}).json.keys() == {"generated_text"}
    [*_, last] = ask_for_stream(standin, CASES["huggingface generate"]).messages
    assert last["details"]["input_length"] > 0
    assert standin.calls[0].request_model == "meta-llama/L"


def test_every_provider_has_a_url_here(standin: Standin) -> None:
    urls = {getattr(standin, name) for name in dir(standin) if name.endswith("_url")}
    port = standin.url.rpartition(":")[2]
    assert all(f"127.0.0.1:{port}" in url for url in urls)
    assert len(urls) == 5  # the server itself, /v1, the two with a prefix, and the socket

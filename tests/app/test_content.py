"""Content: only on request, where it was asked for, in the schema of the conventions."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from app.rawserver import RawServer
from app.recording import Recorded
from app.test_endings import MESSAGE, event, stream
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

import otel_llm
from otel_llm.binary import blob, linked
from otel_llm.content import Capture, Mode, read_mode
from otel_llm.errors import UsageError
from otel_llm.wire import Content
from otel_llm_semconv import attributes as a

PNG = b"\x89PNG\r\n" + bytes(range(256)) * 40
PNG_BASE64 = base64.b64encode(PNG).decode()
PNG_URL = f"data:image/png;base64,{PNG_BASE64}"
PNG_BLOB = {
    "type": "blob",
    "modality": "image",
    "mime_type": "image/png",
    "content": "",
    "size_bytes": len(PNG),
    "sha256": hashlib.sha256(PNG).hexdigest(),
}
DEFAULTS = {
    "capture_content": "SPAN_ONLY",
    "content_bytes_max": 65536,
    "content_upload": "",
    "content_upload_binary": False,
    "exit_ms_max": 1200,
    "redact": (),
    "redact_with": None,
}


def capture(logger_provider: LoggerProvider | None = None, **settings: Any) -> Capture:
    """What `instrument` makes of these settings."""
    return Capture(SimpleNamespace(**{**DEFAULTS, **settings}), logger_provider)


def chat(question: Any, answer: Any) -> Content:
    """A question and its answer."""
    return Content(
        input_messages=[{"role": "user", "parts": [{"type": "text", "content": question}]}],
        output_messages=[
            {"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}
        ],
    )


@pytest.mark.parametrize(
    ("written", "mode"),
    [
        ("SPAN_ONLY", Mode.SPAN_ONLY),
        ("span_and_event", Mode.SPAN_AND_EVENT),
        (" EVENT_ONLY ", Mode.EVENT_ONLY),
        ("NO_CONTENT", Mode.NO_CONTENT),
        ("false", Mode.NO_CONTENT),
        ("", Mode.NO_CONTENT),
    ],
)
def test_the_modes_of_the_conventions(
    written: str, mode: Mode, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_llm.content._warned", set())
    one = capture(capture_content=written)
    assert one.mode is mode
    assert one.reads is (mode is not Mode.NO_CONTENT)
    assert caplog.records == []


def test_true_means_spans_and_warns_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otel_llm.content._warned", set())
    with caplog.at_level(logging.WARNING):
        assert read_mode("true") is Mode.SPAN_ONLY
        assert read_mode("true") is Mode.SPAN_ONLY
        assert read_mode("everything") is Mode.NO_CONTENT
    assert len(caplog.records) == 2


def test_a_span_carries_json_only_where_it_was_asked_for() -> None:
    content = chat("hello", "hi")
    found = capture().attributes(content)
    assert found == {
        a.INPUT_MESSAGES: '[{"role":"user","parts":[{"type":"text","content":"hello"}]}]',
        a.OUTPUT_MESSAGES: '[{"role":"assistant","parts":[{"type":"text","content":"hi"}],"finish_reason":"stop"}]',
    }
    assert capture(capture_content="NO_CONTENT").attributes(content) == {}
    assert capture(capture_content="EVENT_ONLY").attributes(content) == {}
    assert capture(capture_content="EVENT_ONLY").text("x") is None


def test_what_was_cut_is_named() -> None:
    found = capture(content_bytes_max=500).attributes(chat("x" * 1000, "hi"))
    assert found[a.CONTENT_TRUNCATED] == [a.INPUT_MESSAGES]
    assert len(str(found[a.INPUT_MESSAGES]).encode()) <= 500


def test_arguments_and_results_go_the_same_way() -> None:
    one = capture(content_bytes_max=200, redact=["Anna"])
    assert one.text({"name": "Anna"}) == '{"name":"[redacted]"}'
    text = one.text("x" * 5000)
    assert text is not None
    assert 190 < len(text.encode()) <= 200
    assert one.text(PNG_URL) == f'"data:image/png;base64,[{len(PNG):,} bytes, sha256 {PNG_BLOB["sha256"]}]"'


class Events:
    """A logger provider, a span, and what was emitted for it, as it arrives over OTLP."""

    def __init__(self) -> None:
        self.exporter = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(shutdown_on_exit=False)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self.exporter))
        self.span = TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("chat gpt-4o")
        self.span.set_attribute(a.OPERATION, "chat")

    def sent(self) -> list[Any]:
        """The records, encoded and parsed again."""
        request = encode_logs(self.exporter.get_finished_logs())
        parsed = ExportLogsServiceRequest.FromString(request.SerializeToString())
        return [record for r in parsed.resource_logs for scope in r.scope_logs for record in scope.log_records]


def plain(value: Any) -> Any:
    """An OTLP value as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return {one.key: plain(one.value) for one in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


@pytest.mark.parametrize("mode", ["EVENT_ONLY", "SPAN_AND_EVENT"])
def test_the_event_carries_structures_and_what_the_span_carries(mode: str) -> None:
    events, content = Events(), chat("hello", "hi")
    one = capture(events.provider, capture_content=mode, redact=["hello"])
    found = one.attributes(content)
    assert bool(found) is (mode == "SPAN_AND_EVENT")
    one.emit(events.span, content, {a.RESPONSE_MODEL: "gpt-4o", **found})
    (record,) = events.sent()
    context = events.span.get_span_context()
    assert (record.event_name, record.trace_id.hex()) == (a.OPERATION_DETAILS, f"{context.trace_id:032x}")
    assert record.span_id.hex() == f"{context.span_id:016x}"
    assert {one.key: plain(one.value) for one in record.attributes} == {
        a.OPERATION: "chat",
        a.RESPONSE_MODEL: "gpt-4o",
        a.INPUT_MESSAGES: [{"role": "user", "parts": [{"type": "text", "content": "[redacted]"}]}],
        a.OUTPUT_MESSAGES: [
            {"role": "assistant", "parts": [{"type": "text", "content": "hi"}], "finish_reason": "stop"}
        ],
    }


def test_no_event_without_content_or_without_being_asked() -> None:
    events = Events()
    capture(events.provider, capture_content="SPAN_ONLY").emit(events.span, chat("a", "b"), {})
    capture(events.provider, capture_content="EVENT_ONLY").emit(events.span, Content(), {})
    assert events.sent() == []


def test_an_event_repeats_no_content_of_somebody_elses_span() -> None:
    events = Events()
    events.span.set_attribute(a.SYSTEM_INSTRUCTIONS, "not ours, not redacted, no JSON")
    capture(events.provider, capture_content="EVENT_ONLY").emit(events.span, chat("a", "b"), {})
    (record,) = events.sent()
    assert a.SYSTEM_INSTRUCTIONS not in {one.key for one in record.attributes}


def test_what_otlp_cannot_carry_does_not_cost_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    deep: Any = "bottom"
    for _ in range(60):
        deep = {"deeper": [deep]}
    arguments = {"huge": 1 << 70, "": "no name", "nan": float("nan"), "none": [None, 1.5], "half": "\ud800", "x": deep}
    events = Events()
    content = Content(input_messages=[{"role": "user", "parts": [{"type": "tool_call", "arguments": arguments}]}])
    capture(events.provider, capture_content="EVENT_ONLY").emit(events.span, content, {})
    (record,) = events.sent()
    found = {one.key: plain(one.value) for one in record.attributes}
    got = found[a.INPUT_MESSAGES][0]["parts"][0]["arguments"]
    assert (got["huge"], got["_"], got["nan"], got["none"]) == (str(1 << 70), "no name", None, [None, 1.5])
    assert got["half"] == "�"
    assert "bottom" in json.dumps(got["x"])
    assert caplog.records == []


def test_a_cut_event_says_so_too() -> None:
    events = Events()
    one = capture(events.provider, capture_content="EVENT_ONLY", content_bytes_max=400)
    one.emit(events.span, chat("x" * 1000, "ok"), {})
    (record,) = events.sent()
    found = {one.key: plain(one.value) for one in record.attributes}
    assert found[a.CONTENT_TRUNCATED] == [a.INPUT_MESSAGES]
    assert "[cut " in found[a.INPUT_MESSAGES][0]["parts"][0]["content"]


@pytest.mark.parametrize(
    "data",
    [
        PNG,
        PNG_BASE64,
        PNG_BASE64.rstrip("="),
        PNG_BASE64.translate(str.maketrans("+/", "-_")),
        "\n".join(PNG_BASE64[n : n + 76] for n in range(0, len(PNG_BASE64), 76)),
        PNG_BASE64.replace("+", "%2B").replace("/", "%2F"),
    ],
    ids=["bytes", "base64", "unpadded", "url-safe", "in lines", "percent-encoded"],
)
def test_binary_data_is_its_size_and_hash(data: str | bytes) -> None:
    assert blob("image", "image/png", data) == PNG_BLOB


def test_what_is_no_base64_has_no_hash() -> None:
    assert blob("audio", None, "no base64 at all!") == {
        "type": "blob",
        "modality": "audio",
        "content": "",
        "size_bytes": 12,
    }
    assert blob("audio", 7, None)["size_bytes"] == 0


def test_a_link_is_a_link_unless_it_holds_the_data() -> None:
    assert linked("image", "https://x/y.png") == {"type": "uri", "modality": "image", "uri": "https://x/y.png"}
    assert linked("image", PNG_URL) == PNG_BLOB
    assert linked("document", "data:text/plain,a%20b")["size_bytes"] == 3


@pytest.mark.parametrize("bytes_max", [65536, 600])
@pytest.mark.parametrize(
    "text",
    [
        f"before {PNG_URL} after {PNG_URL}",
        json.dumps({"image": PNG_URL}),
        json.dumps({"image": PNG_URL}).replace("/", "\\/"),
        "x" * 400 + PNG_URL + " " + "y" * 400,
    ],
)
def test_data_urls_in_any_text_lose_their_data(text: str, bytes_max: int) -> None:
    found = str(capture(content_bytes_max=bytes_max).attributes(chat(text, [{"deep": text}])))
    assert PNG_BASE64[60:80] not in found
    assert PNG_BASE64[-30:-10] not in found
    if bytes_max > 600:
        assert f"[{len(PNG):,} bytes, sha256 {PNG_BLOB['sha256']}]" in found


def test_media_of_openai_chat(capturing: Recorded) -> None:
    sound, document = base64.b64encode(b"RIFF" * 50).decode(), base64.b64encode(b"%PDF-1.7").decode()
    answer = {
        "id": "x",
        "model": "gpt-4o",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": None,
                    "audio": {"id": "a1", "data": sound, "transcript": "hello"},
                    "images": [{"type": "image_url", "image_url": {"url": PNG_URL}}],
                },
            }
        ],
    }
    parts: list[Any] = [
        {"type": "image_url", "image_url": {"url": PNG_URL}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{document}", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "f1"}},
    ]
    with (
        RawServer(lambda c: c.json(answer)) as server,
        openai.OpenAI(api_key="k", base_url=server.url + "/v1") as client,
    ):
        messages: list[Any] = [{"role": "user", "content": parts}, {"role": "assistant", "audio": {"id": "a0"}}]
        client.chat.completions.create(model="gpt-4o", messages=messages)
    found = capturing.attributes()
    asked = json.loads(found[a.INPUT_MESSAGES])
    kinds = [(part["type"], part.get("mime_type"), part.get("size_bytes")) for part in asked[0]["parts"]]
    assert kinds == [
        ("blob", "image/png", len(PNG)),
        ("uri", None, None),
        ("blob", "audio/wav", 200),
        ("blob", "application/pdf", 8),
        ("file", None, None),
    ]
    assert asked[1]["parts"] == [{"type": "file", "modality": "audio", "file_id": "a0"}]
    (message,) = json.loads(found[a.OUTPUT_MESSAGES])
    assert [(part["type"], part.get("content")) for part in message["parts"]] == [
        ("text", "hello"),
        ("blob", ""),
        ("blob", ""),
    ]
    assert not any(data in str(found) for data in (PNG_BASE64[:60], sound[:60], document))


def test_streamed_audio_is_put_together(capturing: Recorded) -> None:
    def piece(**audio: str) -> bytes:
        body = {"id": "c", "model": "gpt-4o-audio", "choices": [{"index": 0, "delta": {"audio": audio}}]}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    halves = [base64.b64encode(half).decode() for half in (PNG[:1001], PNG[1001:])]
    pieces = [piece(id="a1"), piece(transcript="hel"), piece(data=halves[0], transcript="lo"), piece(data=halves[1])]
    with RawServer(stream(*pieces, b"data: [DONE]\n\n")) as server, httpx2.Client() as client:
        client.post(server.url + "/v1/chat/completions", json={"model": "gpt-4o", "messages": [], "stream": True})
    (message,) = json.loads(capturing.attributes()[a.OUTPUT_MESSAGES])
    spoken, sound = message["parts"]
    assert spoken == {"type": "text", "content": "hello"}
    assert (sound["modality"], sound["sha256"]) == ("audio", PNG_BLOB["sha256"])


def test_media_and_server_tools_of_anthropic(capturing: Recorded) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}}
    plain_text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "the text"}}
    linked_pdf = {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}
    uploaded = {"type": "document", "source": {"type": "file", "file_id": "f1"}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "see"}, image]}
    answer = {
        "id": "m",
        "type": "message",
        "model": "claude-haiku-4-5",
        "role": "assistant",
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result"}]},
            {"type": "redacted_thinking", "data": "secret"},
        ],
    }
    with (
        RawServer(lambda c: c.json(answer)) as server,
        anthropic.Anthropic(api_key="k", base_url=server.url) as client,
    ):
        content: list[Any] = [image, plain_text, linked_pdf, uploaded]
        client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=9,
            messages=[{"role": "user", "content": content}, {"role": "user", "content": [result]}],  # type: ignore[list-item]
        )
    found = capturing.attributes()
    asked = json.loads(found[a.INPUT_MESSAGES])
    assert asked[0]["parts"] == [
        PNG_BLOB,
        {"type": "text", "content": "the text"},
        {"type": "uri", "modality": "document", "uri": "https://x/y.pdf"},
        {"type": "file", "modality": "document", "file_id": "f1"},
    ]
    assert asked[1]["parts"][0]["response"] == [{"type": "text", "text": "see"}, PNG_BLOB]
    (message,) = json.loads(found[a.OUTPUT_MESSAGES])
    assert message["parts"] == [
        {"type": "reasoning", "content": "hm"},
        {
            "type": "server_tool_call",
            "id": "s1",
            "name": "web_search",
            "server_tool_call": {"type": "server_tool_use", "input": {"query": "q"}},
        },
        {
            "type": "server_tool_call_response",
            "id": "s1",
            "server_tool_call_response": {
                "type": "web_search_tool_result",
                "content": [{"type": "web_search_result"}],
            },
        },
        {"type": "generic", "generic_type": "redacted_thinking"},
    ]
    assert PNG_BASE64[:60] not in str(found)


def test_a_streamed_answer_is_put_together(capturing: Recorded) -> None:
    with (
        RawServer(stream(*MESSAGE)) as server,
        anthropic.Anthropic(api_key="k", base_url=server.url) as client,
        client.messages.stream(
            model="claude-haiku-4-5",
            max_tokens=9,
            system="be brief",
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "look"}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "1"}]},
            ],
        ) as events,
    ):
        events.get_final_message()
    found = capturing.attributes()
    assert json.loads(found[a.SYSTEM_INSTRUCTIONS]) == [{"type": "text", "content": "be brief"}]
    roles = [(message["role"], message["parts"][0]["type"]) for message in json.loads(found[a.INPUT_MESSAGES])]
    assert roles == [("user", "text"), ("assistant", "tool_call"), ("tool", "tool_call_response")]
    assert json.loads(found[a.OUTPUT_MESSAGES]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "hi"}], "finish_reason": "stop"}
    ]


def test_pieces_of_tool_calls_are_put_together_with_and_without_an_index(capturing: Recorded) -> None:
    def piece(index: Any, id: str | None, name: str | None, arguments: str) -> bytes:
        call = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
        body = {"id": "c", "model": "gpt-4o", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}
        return b"data: " + json.dumps(body).encode() + b"\n\n"

    pieces = [
        piece(None, "t1", "f", '{"x"'),
        piece(0, None, None, ": 1"),
        piece(None, None, None, "}"),
        piece([], "t2", "g", "{}"),
        piece("1", None, None, ""),
    ]
    with RawServer(stream(*pieces, b"data: [DONE]\n\n")) as server, httpx2.Client() as client:
        client.post(server.url + "/v1/chat/completions", json={"model": "gpt-4o", "messages": [], "stream": True})
    (message,) = json.loads(capturing.attributes()[a.OUTPUT_MESSAGES])
    assert [(part["id"], part["name"], part["arguments"]) for part in message["parts"]] == [
        ("t1", "f", {"x": 1}),
        ("t2", "g", {}),
    ]


def test_blocks_without_a_proper_index_are_one(capturing: Recorded) -> None:
    pieces = [
        event("content_block_delta", index=index, delta={"type": "text_delta", "text": "x"}) for index in (None, 0, [])
    ]
    with RawServer(stream(MESSAGE[0], *pieces, *MESSAGE[-2:])) as server, httpx2.Client() as client:
        client.post(server.url + "/v1/messages", json={"model": "m", "messages": [], "max_tokens": 9, "stream": True})
    found = capturing.attributes()
    assert json.loads(found[a.OUTPUT_MESSAGES])[0]["parts"] == [{"type": "text", "content": "xxx"}]
    assert (found[a.USAGE_OUTPUT_TOKENS], found[a.USAGE_STATUS]) == (200, "reported")


REPLY = {
    "id": "x",
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello Anna"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2},
}


def ask(question: str) -> None:
    """A call over the wire."""
    with RawServer(lambda c: c.json(REPLY)) as server, httpx2.Client() as client:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}]}
        client.post(server.url + "/v1/chat/completions", json=body)


def test_a_call_emits_its_event_with_what_its_span_carries() -> None:
    events = Events()
    recorded = Recorded(capture_content="EVENT_ONLY", logger_provider=events.provider, redact=["Anna"])
    try:
        ask("I am Anna")
        span = recorded.call()
    finally:
        otel_llm.uninstrument()
    (record,) = events.sent()
    assert span.context is not None
    assert record.span_id.hex() == f"{span.context.span_id:016x}"
    found = {one.key: plain(one.value) for one in record.attributes}
    carried = {name: value for name, value in (span.attributes or {}).items() if isinstance(value, str | int)}
    assert found.items() >= carried.items()
    assert found[a.INPUT_MESSAGES][0]["parts"] == [{"type": "text", "content": "I am [redacted]"}]
    assert found[a.OUTPUT_MESSAGES][0]["finish_reason"] == "stop"
    assert not set(a.CONTENT) & set(span.attributes or {})


def test_what_calls_stored_is_there_when_the_instrumentation_ends(tmp_path: Path) -> None:
    recorded = Recorded(capture_content="NO_CONTENT", content_upload=str(tmp_path), redact=["Anna"])
    try:
        ask("I am Anna")
        found = recorded.attributes()
    finally:
        otel_llm.uninstrument()
    assert not set(a.CONTENT) & set(found)
    for reference, text in ((a.INPUT_MESSAGES_REF, "I am [redacted]"), (a.OUTPUT_MESSAGES_REF, "hello [redacted]")):
        path = Path(str(found[reference]).removeprefix("file://"))
        assert json.loads(path.read_text())[0]["parts"] == [{"type": "text", "content": text}]


def test_a_setting_that_cannot_be_leaves_the_app_alone() -> None:
    with pytest.raises(UsageError, match="no usable regular expression"):
        otel_llm.instrument(redact=["("])
    recorded = Recorded(redact=["x"])  # nothing is left over that would make this do nothing
    try:
        ask("hello")
        assert recorded.call()
    finally:
        otel_llm.uninstrument()

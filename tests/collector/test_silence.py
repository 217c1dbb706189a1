"""A target without content gets none, whoever sent it and by whatever name; what is no content, it gets as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from emitters.emission import HERE, read, stored
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from rig import otlp

from otel_llm_collector import journal
from otel_llm_collector.demo.standin.drawing import Draw
from otel_llm_collector.forward import Destination
from otel_llm_collector.forward.filters import filter_of
from otel_llm_collector.receiver.otlp_json import request_from_json
from otel_llm_collector.signals import SIGNALS
from otel_llm_semconv import attributes as a
from otel_llm_semconv import tables, usage
from otel_llm_semconv.dialects import DIALECTS, Dialect
from otel_llm_semconv.dialects.dialect import Part, Plus, Scaled, Values
from otel_llm_semconv.dialects.reading import sources
from otel_llm_semconv.dialects.said import is_content, may_quote
from otel_llm_semconv.pricing.contracts import Contracts

SECRET = "secret, said by a patient"
#: What leaked once, or is in no table of a dialect.
KNOWN = (
    "embedding.embeddings.0.embedding.text",
    "gen_ai.completion",
    "gen_ai.completion.0.content",
    "gen_ai.prompt",
    "gen_ai.prompt.0.content",
    "gen_ai.tool.0.parameters",
    "haystack.component.output",
    "input.value",
    "llm.anthropic.messages",
    "llm.choices.0.completion.text",
    "llm.function_call",
    "llm.input_messages",
    "llm.prompt_template.template",
    "llm.prompt_template.variables",
    "model_request_parameters",
    "otel_llm.sent.gen_ai.input.messages",
    "output.value",
    "reranker.input_documents.0.document.content",
    "reranker.output_documents.0.document.content",
    "reranker.query",
    "retrieval.documents.3.document.content",
    "tool.parameters",
    "traceloop.entity.input",
    a.EVALUATION_EXPLANATION,
    a.RETRIEVAL_QUERY,
    a.TOOL_CALL_ARGUMENTS,
    a.TOOL_CALL_RESULT,
)
QUOTING = ("error.message", "exception.message", "exception.stacktrace", "llm.invocation_parameters", "logfire.msg")
#: Sources of columns that are left out: texts of errors, and what stands among the members of a message.
GIVEN_UP = {"error", "error.message", "gen_ai.completion.0.finish_reason"}


def silenced(payload: bytes, kind: int = journal.TRACES, **options: bool) -> bytes:
    chosen = filter_of(Destination("http://127.0.0.1:1", without_content=True, **options), Contracts())
    return chosen(kind, payload, 1_750_000_000_000_000_000) or b""


def some(name: str) -> str:
    """A name that a written one stands for."""
    return f"{name}0.text" if name.endswith(".") else name.replace("*", "openai")


def declared(dialect: Dialect) -> set[str]:
    return {some(name) for name in dialect.content} | {
        name.removesuffix(".").replace("*", "x") for name in dialect.content
    }


def scopes(dialect: Dialect) -> list[str]:
    own = (*dialect.scopes, *(f"{prefix}x" for prefix in dialect.scope_prefixes))
    other = next(scope for one in DIALECTS if one is not dialect for scope in one.scopes)
    return [*own, other, a.SCOPE_APP, "x", ""]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.id)
def test_declared_content_is_dropped_whatever_the_scope(dialect: Dialect) -> None:
    marks: dict[str, Any] = dict.fromkeys(dialect.marks, "x")
    said = dict.fromkeys(sorted({*declared(dialect), *KNOWN}), SECRET)
    for scope in scopes(dialect):
        for attributes in (said, {**said, **marks, **said}):
            assert_silent(attributes, scope)


def assert_silent(attributes: Mapping[str, Any], scope: str) -> None:
    span = otlp.span({**attributes, "kept": 7})
    span.events.add(name="any").attributes.extend(span.attributes)
    span.links.add().attributes.extend(span.attributes)
    for options in ({}, {"enriched": True}):
        found = silenced(otlp.request(span, scope=scope).SerializeToString(), **options)
        assert SECRET.encode() not in found, (scope, sorted(attributes))
    record = logs(scope, attributes)
    assert SECRET.encode() not in silenced(record.SerializeToString(), journal.LOGS)


def logs(scope: str, attributes: Mapping[str, Any], event: str = a.EVALUATION_RESULT) -> ExportLogsServiceRequest:
    return otlp.logs(otlp.record(dict(attributes), event_name=event), scope=scope)


def spared() -> dict[str, Any]:
    """All that the columns are read from, of every dialect, but for what is content or may quote some."""
    names = {column.attribute for column in tables.TABLES["spans"]} | set(usage.ATTRIBUTE_OF.values())
    for dialect in DIALECTS:
        for places in sources(dialect).values():
            names |= {plain(source) for source in places if not isinstance(source, Part)}
    return {name: f"{name} says" for name in sorted(filter(None, names))}


def plain(source: str | Values | Scaled | Part | Plus) -> str:
    return source if isinstance(source, str) else source.attribute


def test_what_is_no_content_stays_byte_for_byte() -> None:
    attributes = {name: value for name, value in spared().items() if name not in GIVEN_UP}
    assert len(attributes) > 200
    attributes |= {
        "error": True,
        "http.route": "/",
        "gen_ai.prompt.name": "triage",
        "gen_ai.input.messages_ref": "s3://x",
    }
    span = otlp.span(attributes)
    span.events.add(name="First Token Stream Event").attributes.extend(span.attributes)
    span.status.code = Span().status.STATUS_CODE_ERROR
    for scope in ("", "x", a.SCOPE_APP, "openinference.instrumentation.openai"):
        sent = otlp.request(span, scope=scope).SerializeToString()
        assert silenced(sent) == sent
        record = logs(scope, attributes).SerializeToString()
        assert silenced(record, journal.LOGS) == record


def test_given_up_is_what_quotes_and_nothing_else() -> None:
    assert {name for name in spared() if is_content(name) or may_quote(name)} == GIVEN_UP


@pytest.mark.parametrize("name", QUOTING)
def test_what_may_quote_is_dropped_and_the_kind_of_error_stays(name: str) -> None:
    span = otlp.span({name: SECRET, "error.type": "RateLimitError", "error": True})
    span.events.add(name="exception").attributes.extend(span.attributes)
    span.status.code, span.status.message = Span().status.STATUS_CODE_ERROR, f"RateLimitError: {SECRET}"
    found = silenced(otlp.request(span, scope="x").SerializeToString())
    assert SECRET.encode() not in found
    kept = ExportTraceServiceRequest.FromString(found).resource_spans[0].scope_spans[0].spans[0]
    assert {pair.key for pair in kept.attributes} == {"error.type", "error"}
    assert [pair.key for pair in kept.events[0].attributes] == [pair.key for pair in kept.attributes]
    assert kept.status.code == span.status.code


def test_a_text_of_an_error_is_not_handed_on_as_its_type() -> None:
    """Some emitters name an error by its text: the columns take it, and so does an enriched span."""
    span = otlp.span({"span.type": "llm_request", "model": "claude-haiku-4-5", "error": SECRET})
    assert SECRET.encode() not in silenced(otlp.request(span).SerializeToString(), enriched=True)


def test_variables_of_a_prompt_are_no_properties() -> None:
    told = {"openinference.span.kind": "LLM", "metadata": '{"ward": "surgery"}'}
    told["llm.prompt_template.variables"] = json.dumps({"complaint": SECRET})
    found = silenced(otlp.request(otlp.span(told)).SerializeToString(), enriched=True)
    assert SECRET.encode() not in found
    assert b"otel_llm.property.ward" in found


@pytest.mark.parametrize("event", ["gen_ai.user.message", "gen_ai.choice", "gen_ai.content.prompt"])
def test_a_record_that_is_a_message_says_nothing(event: str) -> None:
    assert SECRET.encode() not in silenced(logs("x", {"text": SECRET}, event).SerializeToString(), journal.LOGS)
    named = logs("x", {"text": SECRET, "event.name": event}, "")
    assert SECRET.encode() not in silenced(named.SerializeToString(), journal.LOGS)


def said() -> set[bytes]:
    """How each sentence begins that was said in the calls that emitters tell of: some are stored cut."""
    calls = json.loads((HERE / "calls/calls.json").read_text())
    asked = [calls["system"], calls["question"], calls["tool"]["description"], calls["tool"]["result"]]
    answered = [sentence for request in range(100) for sentence in Draw(0, request).prose().split(". ")]
    return {sentence[:18].encode() for sentence in (*asked, *answered, "Rate limit reached, please slow down.")}


@pytest.mark.parametrize("path", stored(), ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_what_real_emitters_send_is_silent(path: Path) -> None:
    sent = read(path)
    for kind, document in ((journal.TRACES, sent.traces), (journal.LOGS, sent.logs)):
        if document:
            payload = request_from_json(SIGNALS[kind], json.dumps(document).encode())
            for options in ({}, {"enriched": True}):
                found = silenced(payload, kind, **options)
                assert [sentence for sentence in said() if sentence in found] == []


def test_real_emitters_say_what_is_looked_for() -> None:
    sent = b"".join(path.read_bytes() for path in stored())
    assert [sentence for sentence in said() if sentence not in sent] == []

"""Jaeger behind ours: the whole trace is there, with what the calls cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from rig.processes import collector, wait_for

from . import peers, sent

SEEN_S_MAX = 30.0


@pytest.mark.usefixtures("go")
@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_jaeger_shows_the_trace_and_its_cost(tmp_path: Path, scheme: str) -> None:
    with peers.jaeger(tmp_path / "jaeger") as jaeger:
        url = f"http://{jaeger.http}" if scheme == "http" else f"grpc://{jaeger.grpc}"
        with collector(tmp_path / "data", "--forward-enriched", url) as ours:
            trace_id = send(ours.traces_url)
            spans = wait_for(lambda: whole(jaeger.trace(trace_id), 3), SEEN_S_MAX)
    agent, failed, call = spans["invoke_agent planner"], spans["chat failed"], spans["chat gpt-4o-mini"]
    assert call["parentSpanId"] == failed["parentSpanId"] == agent["spanId"]
    assert attributes_of(call) == attributes_of(call) | {
        "gen_ai.usage.input_tokens": "500",
        "gen_ai.usage.cost.amount": 0.000255,
        "app.words": ["a", "b"],
        "app.share": 0.5,
    }
    assert "gen_ai.usage.cost.amount" not in attributes_of(failed)
    assert (failed["status"]["code"], failed["status"]["message"]) == (2, "cut")
    assert [event["name"] for event in call["events"]] == ["first token"]
    assert [link["spanId"] for link in call["links"]] == [agent["spanId"]]


def send(url: str) -> str:
    """A trace of an agent, a failed call and a good one. Returns its id."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=url)))
    tracer = provider.get_tracer("interop")
    with tracer.start_as_current_span("invoke_agent planner") as agent:
        with tracer.start_as_current_span("chat failed", kind=SpanKind.CLIENT) as failed:
            failed.set_status(Status(StatusCode.ERROR, "cut"))
        more = {"app.words": ["a", "b"], "app.share": 0.5}
        links = [Link(agent.get_span_context())]
        with tracer.start_as_current_span(
            "chat gpt-4o-mini", kind=SpanKind.CLIENT, attributes={**sent.MODEL, **more}, links=links
        ) as call:
            call.add_event("first token")
    provider.shutdown()
    return format(agent.get_span_context().trace_id, "032x")


def whole(resources: list[dict[str, Any]], count: int) -> dict[str, dict[str, Any]]:
    """The spans by name, once so many are there."""
    spans = [span for resource in resources for scope in resource["scopeSpans"] for span in scope["spans"]]
    return {span["name"]: span for span in spans} if len(spans) == count else {}


def attributes_of(span: dict[str, Any]) -> dict[str, Any]:
    """Attributes of OTLP JSON as plain values; whole numbers are text there."""
    return {pair["key"]: plain(pair["value"]) for pair in span.get("attributes", ())}


def plain(value: dict[str, Any]) -> Any:
    if "arrayValue" in value:
        return [plain(item) for item in value["arrayValue"]["values"]]
    return next(iter(value.values()))

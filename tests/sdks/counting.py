"""What the collector counts of the spans that were recorded."""

from __future__ import annotations

from app.recording import Recorded
from opentelemetry.sdk.trace import ReadableSpan
from sdks.agreement import tokens

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

_KINDS = ("LLM", "EMBEDDING")


def is_call(span: ReadableSpan) -> bool:
    """What the collector takes for an inference, by the conventions or by OpenInference, and no echo."""
    found = span.attributes or {}
    is_inference = found.get(a.OPERATION) in a.INFERENCE_OPERATIONS or found.get(a.OPENINFERENCE_KIND) in _KINDS
    return is_inference and not found.get(a.ECHO)


def counted(recorded: Recorded, standin: Standin) -> ReadableSpan:
    """The one call there was, once its tokens are those that the stand-in sent and it has a price."""
    spans = {span.context.span_id: span for span in recorded.spans()}.values()
    continued = {(span.attributes or {}).get(a.CONTINUES) for span in spans}
    (call,) = [span for span in spans if is_call(span) and f"{span.context.span_id:016x}" not in continued]
    found = dict(call.attributes or {})
    (sent,) = standin.calls
    assert {name: number for name, number in tokens(found).items() if number} == {
        name: number for name, number in (sent.tokens or {}).items() if number
    }
    assert found[a.COST_AMOUNT] > 0
    assert found[a.USAGE_STATUS] == "reported"
    assert (found[a.REQUEST_MODEL], found[a.RESPONSE_MODEL]) == (sent.request_model, sent.model)
    return call

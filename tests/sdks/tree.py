"""Everything that was recorded as one tree, in the order in which it began, to be compared as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from typing import Any

from app.recording import Recorded
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from sdks.agreement import agree, calls

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

#: What only the span of a call may say.
USAGE = frozenset({a.USAGE_INPUT_TOKENS, a.USAGE_OUTPUT_TOKENS, a.COST_AMOUNT, a.USAGE_STATUS})


def tree(spans: Sequence[ReadableSpan]) -> str:
    """A line a span, indented below its parent; a failed one names its error: `execute_tool look_up !ValueError`."""
    ids = {span.context.span_id for span in spans}
    children: dict[int | None, list[ReadableSpan]] = {}
    for span in sorted(spans, key=lambda span: span.start_time or 0):
        parent = span.parent.span_id if span.parent and span.parent.span_id in ids else None
        children.setdefault(parent, []).append(span)
    return "\n".join(_lines(children, None, 0))


def _lines(children: Mapping[int | None, list[ReadableSpan]], parent: int | None, depth: int) -> Iterator[str]:
    for span in children.get(parent, ()):
        failed = span.status.status_code is StatusCode.ERROR
        error = f" !{attributes(span).get(a.ERROR_TYPE)}" if failed else ""
        yield f"{'  ' * depth}{span.name}{error}"
        yield from _lines(children, span.context.span_id, depth + 1)


def saw(recorded: Recorded, expected: str) -> list[ReadableSpan]:
    """All spans, once they are this tree, in which usage is on calls only."""
    spans = recorded.spans()
    found = tree(spans)
    assert found == cleandoc(expected), f"it was:\n{found}"
    counted = calls(recorded)
    assert [span.name for span in spans if span not in counted and USAGE & set(attributes(span))] == []
    return spans


def calls_agree(recorded: Recorded, standin: Standin) -> list[dict[str, Any]]:
    """The attributes of every call in the order of their starts: one for each answer, with that answer's tokens."""
    found = [attributes(span) for span in sorted(calls(recorded), key=lambda span: span.start_time or 0)]
    sent = {call.id: call for call in standin.calls if call.id}
    assert sorted(one[a.RESPONSE_ID] for one in found) == sorted(sent)
    for one in found:
        agree(one, sent[one[a.RESPONSE_ID]])
    return found


def counted_once(spans: Sequence[ReadableSpan], standin: Standin) -> list[dict[str, Any]]:
    """The attributes of the inference spans, ours and those of others that we write on: one for each answer."""
    found = [attributes(span) for span in spans if attributes(span).get(a.OPERATION) in a.INFERENCE_OPERATIONS]
    sent = sorted((call.tokens["input"], call.tokens["output"]) for call in standin.calls if call.tokens)
    assert sorted((one[a.USAGE_INPUT_TOKENS], one[a.USAGE_OUTPUT_TOKENS]) for one in found) == sent
    assert all(one[a.COST_AMOUNT] > 0 and one[a.COST_CURRENCY] == "USD" for one in found)
    assert all(one[a.USAGE_STATUS] == "reported" for one in found)
    return found


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span."""
    return dict(span.attributes or {})


def named(spans: Sequence[ReadableSpan], name: str) -> dict[str, Any]:
    """The attributes of the one span of that name."""
    (span,) = [span for span in spans if span.name == name]
    return attributes(span)

"""The span of a call against the stand-in's log of it, which counts tokens by tables of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.recording import Recorded
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from otel_llm_collector.demo.standin import Call, Standin
from otel_llm_semconv import attributes as a

#: The stand-in's names of the counts -> attributes.
TOKENS = {
    "input": a.USAGE_INPUT_TOKENS,
    "output": a.USAGE_OUTPUT_TOKENS,
    "cache_read": a.USAGE_CACHE_READ_TOKENS,
    "cache_write": a.USAGE_CACHE_WRITE_TOKENS,
    "cache_write_1h": a.USAGE_CACHE_WRITE_1H_TOKENS,
    "reasoning": a.USAGE_REASONING_TOKENS,
    "audio_in": a.USAGE_AUDIO_INPUT_TOKENS,
    "audio_out": a.USAGE_AUDIO_OUTPUT_TOKENS,
}
#: Operations that are no call of a model: they never carry usage.
PARENTS = frozenset({"create_agent", "invoke_agent", "invoke_workflow", "execute_tool", "task", "plan", "retrieval"})


def calls(recorded: Recorded) -> list[ReadableSpan]:
    """The spans that count as calls of a model, in the order in which they ended."""
    operations = ((span, (span.attributes or {}).get(a.OPERATION)) for span in recorded.spans())
    return [span for span, operation in operations if operation is not None and operation not in PARENTS]


def one_call(recorded: Recorded, standin: Standin, *, operation: str, provider: str) -> dict[str, Any]:
    """The attributes of the one call there was, which went well, once they agree with what the stand-in sent."""
    (span,), (*_, sent) = calls(recorded), standin.calls
    found = dict(span.attributes or {})
    assert span.status.status_code is StatusCode.UNSET
    assert a.ERROR_TYPE not in found
    assert found.get(a.ATTEMPTS, 1) == len(standin.calls)
    assert (found[a.OPERATION], found[a.PROVIDER]) == (operation, provider)
    agree(found, sent)
    return found


def agree(found: Mapping[str, Any], sent: Call) -> None:
    """Models, stream and tokens of a span are those of an answer."""
    assert (found.get(a.REQUEST_MODEL), found.get(a.RESPONSE_MODEL)) == (sent.request_model, sent.model)
    assert found.get(a.RESPONSE_ID) == sent.id
    assert tokens(found) == (sent.tokens or {})
    assert found.get(a.REQUEST_STREAM, False) == sent.stream
    assert (found.get(a.RESPONSE_TIME_TO_FIRST_CHUNK, 0) > 0) == sent.stream


def one_failure(recorded: Recorded, standin: Standin, *, status: int, provider: str) -> dict[str, Any]:
    """The attributes of the one call there was, which the provider refused."""
    (span,) = calls(recorded)
    found = dict(span.attributes or {})
    assert span.status.status_code is StatusCode.ERROR
    assert (found[a.PROVIDER], found[a.HTTP_STATUS]) == (provider, status)
    assert found[a.ERROR_TYPE]
    assert found.get(a.REQUEST_MODEL) == standin.calls[-1].request_model
    assert tokens(found) == {}
    assert a.COST_AMOUNT not in found
    return found


def tokens(found: Mapping[str, Any]) -> dict[str, int]:
    """The counts of a span by the stand-in's names; absent is absent, not zero."""
    return {name: found[attribute] for name, attribute in TOKENS.items() if attribute in found}

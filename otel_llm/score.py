"""Scores: what people and evaluators think of an answer, as the conventions' evaluation event.

A score belongs to a span, which may have ended long ago and elsewhere: it is a log record that names the span, or the
response, and travels over OTLP like all else. No call of `score` raises or waits for the network.
"""

from __future__ import annotations

import atexit
import functools
import logging
import math
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Final

from opentelemetry import trace
from opentelemetry._logs import Logger, LoggerProvider, get_logger_provider
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags
from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from .context import current_scope
from .encodable import clean_attributes
from .errors import UsageError
from .events import leads_somewhere
from .failures import counts, guarded, shielded, swallow

__all__ = ["score", "traceparent"]

_logger = logging.getLogger("otel_llm")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NOWHERE: Final = (
    "there is no way for it: call otel_llm.init(), or give instrument() a logger_provider; OTEL_LOGS_EXPORTER=none and "
    "OTEL_SDK_DISABLED turn scores off"
)


def score(
    name: str,
    value: float | bool | None = None,
    label: str | None = None,
    *,
    explanation: str | None = None,
    span: Span | SpanContext | str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
    response_id: str | None = None,
    error_type: str | None = None,
) -> bool:
    """Record a score: `otel_llm.score("helpful", True, response_id=answer.id)`.

    `name` is what is judged ("helpful", "faithfulness"), `value` a number (True is 1), `label` one of few words
    ("pass"), `explanation` the reason; value or label is needed, or `error_type` where an evaluator failed.

    What is judged: `span` (a span, its context, or the text that `traceparent()` gave), or the hex ids of a row
    (`trace_id` alone judges the whole trace), or the answer that the provider named `response_id`, else the current
    span. The session, user and properties of the running code go along.

    Returns True where the score was handed to the exporter. Never raises: what cannot be recorded is counted, and
    said once.
    """
    try:
        texts = {
            a.EVALUATION_SCORE_LABEL: label,
            a.EVALUATION_EXPLANATION: explanation,
            a.RESPONSE_ID: response_id,
            a.ERROR_TYPE: error_type,
        }
        if value is None and label is None and error_type is None:
            raise UsageError("it has neither a value nor a label")
        _emit(_judged(span, trace_id, span_id, response_id), _attributes(name, value, texts))
    except UsageError as reason:
        guarded(_refuse, reason)
        return False
    except Exception as fault:
        swallow("score", fault)
        return False
    return True


@shielded
def traceparent(span: Span | None = None) -> str | None:
    """One text that names the current span, or the given one, to keep with an answer and score it later.

    It is the W3C `traceparent`; `score(..., span=kept)` takes it. None where there is no span.
    """
    found = (trace.get_current_span() if span is None else span).get_span_context()
    if not found.is_valid:
        return None
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def _attributes(name: str, value: Any, texts: Mapping[str, str | None]) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {**current_scope().attributes, a.EVALUATION_NAME: str(name)}
    number = _number(value)
    if number is not None:
        found[a.EVALUATION_SCORE_VALUE] = number
    found.update({key: str(text) for key, text in texts.items() if text is not None})
    return clean_attributes(found)


def _number(value: Any) -> float | None:
    """A value as the conventions want it, a double."""
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError("its value is no number; a word is its label") from None
    if not math.isfinite(found):
        raise UsageError("its value is not finite")
    return found


def _judged(span: Any, trace_id: str | None, span_id: str | None, response_id: str | None) -> SpanContext:
    """The context of the span that is judged; an invalid one where a response or a session is."""
    if span is not None:
        return _context_of(span)
    if trace_id is not None or span_id is not None:
        return _from_hex(trace_id, span_id)
    if response_id is not None:
        return trace.INVALID_SPAN_CONTEXT
    current = trace.get_current_span().get_span_context()
    if not current.is_valid and a.SESSION_ID not in current_scope().attributes:
        raise UsageError("it judges nothing: there is no current span, and neither span, trace_id nor response_id")
    return current


def _context_of(span: Any) -> SpanContext:
    if isinstance(span, str):
        parts = _TRACEPARENT.fullmatch(span.strip().lower())
        if parts is None:
            raise UsageError("its span is text that traceparent() did not give")
        return _span_context(int(parts[1], 16), int(parts[2], 16), int(parts[3], 16))
    found = span.get_span_context() if isinstance(span, Span) else span
    if not isinstance(found, SpanContext) or not found.is_valid:
        raise UsageError("its span is no span, or one that was never started")
    return found


def _from_hex(trace_id: Any, span_id: Any) -> SpanContext:
    try:
        ids = int(trace_id, 16), 0 if span_id is None else int(span_id, 16)
    except (TypeError, ValueError):
        raise UsageError("its trace_id and span_id are not the hex text of a row") from None
    if not 0 < ids[0] < 1 << 128 or not 0 <= ids[1] < 1 << 64:
        raise UsageError("its trace_id or span_id is out of range")
    return _span_context(*ids, TraceFlags.SAMPLED)


def _span_context(trace_id: int, span_id: int, flags: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))


def _emit(judged: SpanContext, attributes: dict[str, AttributeValue]) -> None:
    context = trace.set_span_in_context(NonRecordingSpan(judged), Context())
    now_ns = time.time_ns()
    _way.logger().emit(timestamp=now_ns, context=context, attributes=attributes, event_name=a.EVALUATION_RESULT)


def _refuse(reason: UsageError) -> None:
    """Count a score that cannot be recorded, by reason, and say so the first time."""
    kind = f"score: {reason}"
    counts[kind] += 1
    if counts[kind] == 1:
        _logger.warning("otel-llm did not record a score: %s. More like it are counted, not logged.", reason)


class _Way:
    """Where scores go: the provider that `instrument` was given, else the global one, else one made for the first."""

    def __init__(self) -> None:
        self.given: LoggerProvider | None = None
        self.make: Callable[[], Any] | None = None
        self.made: Any = None  # an SDK provider
        self._making = threading.Lock()

    def logger(self) -> Logger:
        """A logger that takes scores; UsageError where there is none."""
        found = _taking(self.given or get_logger_provider())
        if found is None and self.given is None:
            found = self._last_resort()
        if found is None:
            raise UsageError(_NOWHERE)
        return found

    def _last_resort(self) -> Logger | None:
        with self._making:
            if self.made is None and self.make is not None:
                self.made = self.make()
        return None if self.made is None else _taking(self.made)

    @shielded
    def end(self) -> None:
        """Export what is queued, within the time that the end of the process has left."""
        if self.made is not None:
            self.made.shutdown()

    def renew(self) -> None:
        """In a forked child: a lock that the parent held stays locked."""
        self._making = threading.Lock()


_way: Final = _Way()
os.register_at_fork(after_in_child=_way.renew)


def use(provider: LoggerProvider | None) -> None:
    """Have scores emitted by this provider; None is the global one."""
    _way.given = provider


def export_with(make: Callable[[], Any]) -> None:
    """Have scores exported by the SDK provider that `make` returns, where neither the app nor the user names one.

    It is made for the first score, and ends with the process.
    """
    _way.make = make
    atexit.unregister(_way.end)
    atexit.register(_way.end)


def is_taken(provider: LoggerProvider) -> bool:
    """False for a provider that scores would lead nowhere from."""
    return _taking(provider) is not None


def _taking(provider: LoggerProvider) -> Logger | None:
    """A logger of the provider, or None where it would lead nowhere."""
    logger = provider.get_logger(a.SCOPE_APP, _version(), a.SCHEMA_URL)
    return logger if leads_somewhere(logger, a.EVALUATION_RESULT) else None


@functools.cache
def _version() -> str:
    return version("otel-llm")

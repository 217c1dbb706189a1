"""Reads the set-up that is live in this process: where spans go, what is sampled, what is cut.

The SDK keeps most of it in private attributes: each is asked for by name, and what is not there is not told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from otel_llm_semconv import attributes as a

from . import probe
from .scene import Destination, Observed

OTLP_HTTP: Final = "OTLP over HTTP"
OTLP_GRPC: Final = "OTLP over gRPC"
_KINDS: Final = {
    "opentelemetry.exporter.otlp.proto.grpc": OTLP_GRPC,
    "opentelemetry.exporter.otlp.proto.http": OTLP_HTTP,
}
_USUAL_HEADERS: Final = frozenset({"content-encoding", "content-type", "user-agent"})
_TRIALS: Final = 1000
#: The golden section of 2**64, twice: its multiples spread evenly, in the lower half that samplers look at, too.
_TRACE_ID_STEP: Final = 0x9E3779B97F4A7C15_9E3779B97F4A7C15


def read_setup(observed: Observed, *, ask: bool) -> None:
    """Write the provider of this process down. With `ask`, every OTLP endpoint is asked whether it answers."""
    provider = getattr(trace, "_TRACER_PROVIDER", None)  # the API's getter would make it load one
    if provider is None:
        return
    observed.provider = f"{type(provider).__module__}.{type(provider).__qualname__}"
    sampler = getattr(provider, "sampler", None)
    if sampler is not None:
        observed.sampler = _described(sampler)
        observed.sampled_share = _share(sampler)
    limits = getattr(provider, "_span_limits", None)
    observed.attributes_max = getattr(limits, "max_span_attributes", None)
    observed.chars_max = getattr(limits, "max_span_attribute_length", None)
    observed.destinations = [_destination(exporter, ask) for exporter in exporters_of(provider)]


def exporters_of(provider: Any) -> Iterator[Any]:
    """The exporters of spans on a provider, without what we wrap around them."""
    waiting = [getattr(provider, "_active_span_processor", None)]
    while waiting:
        processor = waiting.pop(0)
        waiting += getattr(processor, "_span_processors", ())
        batch = getattr(processor, "_batch_processor", processor)
        exporter = getattr(batch, "_exporter", None) or getattr(processor, "span_exporter", None)
        if exporter is not None:
            yield getattr(exporter, "inner", exporter)


def kind_of(exporter: Any) -> str:
    """What an exporter is called here: OTLP and its transport, else the class."""
    module = type(exporter).__module__
    return next((kind for start, kind in _KINDS.items() if module.startswith(start)), type(exporter).__name__)


def endpoint_of(exporter: Any) -> str:
    """Where it sends to, without user, password and query, which may be secrets."""
    endpoint = str(getattr(exporter, "_endpoint", "") or "")
    parts = urlsplit(endpoint)
    if not parts.netloc:
        return endpoint
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _destination(exporter: Any, ask: bool) -> Destination:
    kind = kind_of(exporter)
    headers = _headers(exporter)
    named = sorted(name for name in headers if name.lower() not in _USUAL_HEADERS)
    answer = _ask(exporter, kind, headers) if ask else ""
    return Destination(kind, endpoint_of(exporter), named, answer)


def _headers(exporter: Any) -> dict[str, str]:
    client = getattr(exporter, "_client", None)
    return dict(getattr(client, "_headers", None) or getattr(exporter, "_headers", None) or ())


def _ask(exporter: Any, kind: str, headers: dict[str, str]) -> str:
    endpoint = str(exporter._endpoint)
    if kind == OTLP_GRPC:
        authorities = os.environ.get("OTEL_EXPORTER_OTLP_CERTIFICATE")
        return probe.ask_grpc(endpoint, secure=not getattr(exporter, "_insecure", True), authorities=authorities)
    if kind != OTLP_HTTP:
        return ""
    session = getattr(getattr(getattr(exporter, "_client", None), "_transport", None), "_session", None)
    certificate = getattr(session, "cert", None)
    if isinstance(certificate, str):
        certificate = (certificate, None)
    return probe.ask_http(endpoint, headers, authorities=_authorities(session), certificate=certificate)


def _authorities(session: Any) -> str | None:
    """The file or folder of certificates that the exporter trusts, as `requests` finds it."""
    verify = getattr(session, "verify", None)
    if isinstance(verify, str):
        return verify
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return named or (sys.modules["certifi"].where() if "certifi" in sys.modules else None)


def _described(sampler: Any) -> str:
    describe = getattr(sampler, "get_description", None)
    return str(describe()).partition(",")[0] if describe else type(sampler).__name__


def _share(sampler: Any) -> float | None:
    """The part of new traces that is kept, found by asking: it holds for every kind of sampler."""
    attributes = {a.OPERATION: "chat", a.PROVIDER: "openai"}
    kept = 0
    try:
        for number in range(1, _TRIALS + 1):
            trace_id = number * _TRACE_ID_STEP % (1 << 128)
            found = sampler.should_sample(None, trace_id, "chat", SpanKind.CLIENT, attributes)
            kept += found.decision.is_sampled()
    except Exception:  # somebody else's sampler, asked out of turn
        return None
    return kept / _TRIALS

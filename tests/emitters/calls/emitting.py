"""In an emitter's process: makes the calls one after the other, and tells the receiver which of them is over.

Runs in the environment of the emitter, which has neither otel-llm nor the tests: the standard library, and the SDK of
OpenTelemetry where an emitter needs a provider made for it.
"""

from __future__ import annotations

import json
import os
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

CALLS: Any = json.loads((Path(__file__).parent / "calls.json").read_text())
CONTEXT: Any = CALLS["context"]
RECEIVER = os.environ["EMITTERS_RECEIVER"]
STANDIN = os.environ["EMITTERS_STANDIN"]


def provide(*, logs: bool = False) -> Any:
    """Set the global provider, with an exporter that sends each span as it ends; of log records too, where asked."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    if logs:
        _provide_logs()
    return provider


def _provide_logs() -> None:
    from opentelemetry._logs import set_logger_provider
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

    logger_provider = LoggerProvider()
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(logger_provider)


def run(
    calls: Mapping[str, Callable[[], object]],
    *,
    inside: Callable[[], AbstractContextManager[Any]] = nullcontext,
    told: Iterable[str] = (),
    flush: Callable[[], object] | None = None,
    settle_s: float = 0.0,
) -> None:
    """Make each call `inside` what tells the emitter the parts of CONTEXT that are named in `told`.

    `flush` sends what the emitter still holds, the global provider's without it; `settle_s` is what an emitter that
    reports from a thread of its own needs before it holds anything.
    """
    for name, call in calls.items():
        with inside():
            call()
        time.sleep(settle_s)
        (flush or _flush_global)()
        done(name, told)


def done(name: str, told: Iterable[str] = ()) -> None:
    """What came in by now belongs to this call."""
    asked = urllib.parse.urlencode({"name": name, "told": ",".join(told)})
    urllib.request.urlopen(urllib.request.Request(f"{RECEIVER}/done?{asked}", method="POST")).close()


def _flush_global() -> None:
    from opentelemetry import trace

    trace.get_tracer_provider().force_flush()  # type: ignore[attr-defined]

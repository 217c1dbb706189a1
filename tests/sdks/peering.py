"""Each case in a process of its own: not every peer lets go of what it has patched."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from app.recording import Recorded
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sdks.counting import counted

import otel_llm
from otel_llm.finisher import finisher
from otel_llm_collector.demo.standin import Standin

Switch = Callable[[Recorded], None]
Ask = Callable[[Standin], None]


class Global(Recorded):
    """What the global provider exports, which a peer may set itself."""

    def __init__(self, *, provider: bool) -> None:
        self.exporter = InMemorySpanExporter()
        if provider:
            self.provider = TracerProvider()
            self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
            trace.set_tracer_provider(self.provider)

    def spans(self) -> list[Any]:
        trace.get_tracer_provider().force_flush()  # type: ignore[attr-defined]
        return list(self.exporter.get_finished_spans())


def saw(order: str, switch_on: Switch, *ask: Ask, provider: bool = True) -> list[tuple[str, dict[str, Any]]]:
    """Sets up a peer, us before or after it, and makes one call after the other.

    Answers the scope and the attributes of the one counted span of each. Without `provider` it is the peer that sets
    the global one.
    """
    ours, theirs = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=_run, args=(theirs, order, switch_on, ask, provider), daemon=True
    )
    process.start()
    theirs.close()
    assert ours.poll(60), "it said nothing in a minute"
    found = ours.recv()
    process.join()
    assert isinstance(found, list), found
    return found


def _run(to: Connection, order: str, switch_on: Switch, asks: Sequence[Ask], provider: bool) -> None:
    try:
        finisher.start()
        recorded = Global(provider=provider)
        for step in (otel_llm.instrument, switch_on) if order == "before" else (switch_on, otel_llm.instrument):
            step(recorded) if step is switch_on else step()
        to.send([_ask(recorded, ask) for ask in asks])
    except BaseException:
        to.send(traceback.format_exc())


def _ask(recorded: Global, ask: Ask) -> tuple[str, dict[str, Any]]:
    recorded.exporter.clear()
    with Standin() as standin:
        ask(standin)
        call = counted(recorded, standin)
    return call.instrumentation_scope.name if call.instrumentation_scope else "", dict(call.attributes or {})

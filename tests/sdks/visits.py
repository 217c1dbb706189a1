"""Visits at the same time, each in a thread and a session of its own, which must not mix."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from app.recording import Recorded
from sdks.tree import attributes

import otel_llm
from otel_llm_semconv import attributes as a

VISITS = 6


def check_visits(recorded: Recorded, visit: Callable[[int], object], *, spans: int, name: str, value: str) -> None:
    """Each visit, by its number, has a trace of so many spans, which all carry its session and `VALUE-NUMBER`."""

    def begin(number: int) -> None:
        with otel_llm.session(f"visit-{number}"):
            visit(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(begin, range(VISITS)))
    traces: dict[int, list[tuple[str, str]]] = {}
    for span in recorded.spans():
        found = attributes(span)
        traces.setdefault(span.context.trace_id, []).append((found[a.SESSION_ID], found[name]))
    assert sorted(traces.values()) == [[(f"visit-{one}", f"{value}-{one}")] * spans for one in range(VISITS)]

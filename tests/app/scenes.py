"""An app that makes one kind of call again and again, and what it notices of faults of ours."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from app.faults import find_functions, find_points, run_with_broken, run_with_fault
from app.recording import Recorded
from opentelemetry import context as otel_context

from otel_llm import failures
from otel_llm.entered import _innermost
from otel_llm.exchange import user_call
from otel_llm.transports.requests import _attempting, _sending
from otel_llm_semconv import attributes as a

#: Differs from call to call.
TIMED: Final = (a.RESPONSE_TIME_TO_FIRST_CHUNK, a.RETRY_WAIT, a.SERVER_PORT)

Faulty = Callable[[], tuple[object, bool]]


class Scene:
    """Its one call, a function or a coroutine function, and what it sees of it without us."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._plain = self.run()
        failures.counts.clear()  # a score has nowhere to go without us

    def run(self) -> tuple[object, bool]:
        """What the app sees of a call, and whether its context is afterwards what it was."""
        return asyncio.run(self._run_async()) if inspect.iscoroutinefunction(self._call) else self._run()

    def _run(self) -> tuple[object, bool]:
        before = _context()
        try:
            seen = self._call()
        except Exception as error:
            seen = type(error), str(error)
        return seen, _is_same(before, _context())

    async def _run_async(self) -> tuple[object, bool]:
        before = _context()
        try:
            seen = await self._call()
        except Exception as error:
            seen = type(error), str(error)
        return seen, _is_same(before, _context())

    def break_everywhere(self, recorded: Recorded, known: set[str]) -> dict[str, str]:
        """What is noticed of a fault at each point, and of each function that always fails, but for what is known."""
        assert self.run() == self._plain
        _spans(recorded)
        points = [point for point in find_points(self.run) if str(point) not in known]
        spans = _spans(recorded)
        assert failures.counts.total() == 0
        faulty: dict[str, Faulty] = {str(point): partial(run_with_fault, self.run, point) for point in points}
        for name, functions in find_functions(points).items():
            if name not in known:
                faulty[name] = partial(run_with_broken, self.run, functions)
        known.update(faulty)
        found = {name: self._notice(run, recorded, spans) for name, run in faulty.items()}
        return {name: problem for name, problem in found.items() if problem}

    def _notice(self, faulty: Faulty, recorded: Recorded, spans: list[object]) -> str:
        """What is wrong with a call with the fault, or with the one after it."""
        began_ns = time.time_ns()
        seen, is_hit = faulty()
        during, faults = _spans(recorded, began_ns), failures.counts.total()
        failures.counts.clear()
        began_ns = time.time_ns()
        after, spans_after = self.run(), _spans(recorded, began_ns)
        problems = {
            "no call comes by": not is_hit,
            f"the app sees {seen}": seen != self._plain,
            "not counted": not faults,
            "more spans than calls": len(during) > len(spans),
            f"the app sees afterwards {after}": after != self._plain,
            f"spans afterwards: {spans_after}": spans_after != spans,
            "a fault afterwards": failures.counts.total(),
        }
        failures.counts.clear()
        return "; ".join(text for text, is_so in problems.items() if is_so)


def _context() -> list[object]:
    return [otel_context.get_current(), user_call.get(), _sending.get(), _attempting.get(), _innermost.get()]


def _is_same(before: list[object], after: list[object]) -> bool:
    return all(one is other for one, other in zip(before, after, strict=True))


def _spans(recorded: Recorded, began_ns: int = 0) -> list[object]:
    """What was recorded of the calls since then. A connection that a fault left open ends whenever its thread does."""
    found: list[object] = []
    for span in recorded.spans():
        if (span.start_time or 0) < began_ns:
            continue
        attributes = {key: value for key, value in (span.attributes or {}).items() if key not in TIMED}
        found.append((span.name, span.status.status_code, span.status.description, attributes))
    recorded.exporter.clear()
    return found

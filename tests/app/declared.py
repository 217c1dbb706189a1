"""What an app declares around its calls, in each way that it can: sessions and steps, scores, the ends of things."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from multiprocessing.pool import ThreadPool
from threading import Thread
from typing import Any, Final

import pytest
from app.kinds import Kind
from opentelemetry import context as otel_context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import Span

import otel_llm
from otel_llm.content import Capture
from otel_llm.finisher import finisher
from otel_llm.instrument import _at_exit
from otel_llm.settings import Settings

Around = Callable[[], Any]

#: Each makes what may be entered, and may decorate.
AROUND: Final[Mapping[str, Around]] = {
    "session": lambda: otel_llm.session("s-1", name="Visit", path="/intake"),
    "user": lambda: otel_llm.user("alice"),
    "properties": lambda: otel_llm.properties(department="cardiology", urgent=True, money=Decimal("1.50")),  # type: ignore[arg-type]
    "prompt": lambda: otel_llm.prompt("triage", version="v3"),
    "workflow": lambda: otel_llm.workflow("intake"),
    "agent": lambda: otel_llm.agent("nurse", description="asks"),
    "tool": lambda: otel_llm.tool("look_up", call_id="1"),
    "task": lambda: otel_llm.task("prepare"),
    "task without a name": otel_llm.task,
}
_LOGS: Final = LoggerProvider(shutdown_on_exit=False)
_LOGS.add_log_record_processor(SimpleLogRecordProcessor(InMemoryLogRecordExporter()))


class _MineError(Exception):
    """The app's own."""


@contextmanager
def _put_back() -> Iterator[None]:
    """The running code's context is afterwards what it was: what surrounds it may hide that."""
    before = otel_context.get_current()
    yield
    assert otel_context.get_current() is before


@contextmanager
def _passing_on(error: Exception) -> Iterator[None]:
    """This very error comes out."""
    with pytest.raises(type(error)) as raised:
        yield
    assert raised.value is error


def _entered(around: Around) -> Any:
    """Entered, again inside itself, and left by an error."""
    both, error = around(), _MineError("mine")
    with _put_back(), both as outer:
        assert outer is None or isinstance(outer, Span)
        with _put_back(), both:
            pass
        with _put_back(), _passing_on(error), both:
            raise error
    return "done"


async def _entered_async(around: Around) -> Any:
    error = _MineError("mine")
    with _put_back():
        async with around() as span:
            assert isinstance(span, Span)
    with _put_back(), _passing_on(error):
        async with around():
            raise error
    return "done"


def _decorated(around: Around) -> Any:
    error = _MineError("mine")

    @around()
    def double(number: int) -> int:
        """Twice as much."""
        if number < 0:
            raise error
        return 2 * number

    with _put_back():
        found = double(1), double(number=2), double.__name__, double.__doc__, str(inspect.signature(double))
    with _put_back(), _passing_on(error):
        double(-1)
    return found


async def _decorated_async(around: Around) -> Any:
    error = _MineError("mine")

    @around()
    async def double(number: int) -> int:
        if number < 0:
            raise error
        return 2 * number

    with _put_back():
        found = await double(1), inspect.iscoroutinefunction(double)
    with _put_back(), _passing_on(error):
        await double(-1)
    return found


def _generating(around: Around) -> Any:
    """A generator that is run to its end, sent and thrown into, closed, and one that raises."""
    error, closed = _MineError("mine"), []

    @around()
    def count(end: int) -> Iterator[Any]:
        try:
            for number in range(end):
                try:
                    heard = yield number
                except ValueError as thrown:
                    heard = yield str(thrown)
                if heard == "fail":
                    raise error
        finally:
            closed.append(end)
        return "end"

    with _put_back():
        found: list[Any] = list(count(2))
        steps: Any = count(3)
        found += [next(steps), steps.throw(ValueError("thrown")), steps.send("on")]
        with _passing_on(error):
            steps.send("fail")
        left: Any = count(4)
        next(left)
        left.close()
    return found, closed


async def _generating_async(around: Around) -> Any:
    error, closed = _MineError("mine"), []

    @around()
    async def count(end: int) -> AsyncIterator[Any]:
        try:
            for number in range(end):
                try:
                    heard = yield number
                except ValueError as thrown:
                    heard = yield str(thrown)
                if heard == "fail":
                    raise error
        finally:
            closed.append(end)

    with _put_back():
        found: list[Any] = [number async for number in count(2)]
        steps: Any = count(3)
        found += [await anext(steps), await steps.athrow(ValueError("thrown")), await steps.asend("on")]
        with _passing_on(error):
            await steps.asend("fail")
        left: Any = count(4)
        await anext(left)
        await left.aclose()
    return found, closed


def _bare(_: str) -> Any:
    """Decorators without parentheses, and what is inside of them."""

    @otel_llm.tool
    def look_up(word: str) -> str:
        return word * 2

    @otel_llm.agent
    def nurse() -> str:
        with otel_llm.session("s-1"):
            return look_up("fever")

    @otel_llm.workflow
    def intake() -> str:
        return nurse()

    return intake()


def _scored(_: str) -> Any:
    """Scores are booleans whatever happens: of the current span, of one that was kept, of an answer."""
    with otel_llm.session("s-1"), otel_llm.task("judge"):
        kept = otel_llm.traceparent()
        given = [
            otel_llm.score("helpful", True),
            otel_llm.score("helpful", 0.5, "pass", explanation="why", response_id="resp_1"),
            otel_llm.score("helpful", label="pass", trace_id="1" * 32, span_id="2" * 16),
            otel_llm.score("helpful", 1, span=kept or f"00-{'1' * 32}-{'2' * 16}-01"),
        ]
    return [type(each) for each in given], type(otel_llm.traceparent())


def _threaded(_: str) -> Any:
    """Work that the app has done by threads and pools."""
    done: list[int] = []
    with otel_llm.user("alice"), ThreadPoolExecutor(1) as pool, ThreadPool(1) as other:
        thread = Thread(target=done.append, args=(1,))
        thread.start()
        thread.join()
        return (
            done,
            pool.submit(abs, -2).result(),
            list(pool.map(abs, [-3])),
            other.map(abs, [-4]),
            "run" in vars(thread),
        )


class _Mine(SpanProcessor):
    """A processor of the app's, which comes after ours."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.seen.append("ended")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        self.seen.append("flushed")
        return True

    def shutdown(self) -> None:
        self.seen.append("shut down")


def _flushed(_: str) -> Any:
    """A provider of the app's from its beginning to its end."""
    provider, mine = TracerProvider(shutdown_on_exit=False), _Mine()
    provider.add_span_processor(mine)
    with provider.get_tracer("mine").start_as_current_span("work", attributes={"department": "cardiology"}):
        provider.get_tracer("mine").start_span("inside").end()
    is_flushed = provider.force_flush()
    provider.shutdown()
    return is_flushed, mine.seen


def _ended(_: str) -> Any:
    """The end of the process, as far as it is ours."""
    try:
        return _at_exit(_CAPTURE)
    finally:
        finisher._exit_began_at = None


_CAPTURE: Final = Capture(Settings({}), None)
_WAYS: Final[Mapping[str, Callable[[Around], Any]]] = {
    "entered": _entered,
    "decorated": _decorated,
    "decorated async": _decorated_async,
    "generator": _generating,
    "async generator": _generating_async,
}


def _kind(name: str, way: Callable[[Around], Any], around: Around) -> Kind:
    async def call_async(_: str) -> Any:
        return await way(around)

    return Kind(name, call_async if inspect.iscoroutinefunction(way) else lambda _: way(around))


def _declared() -> Iterator[Kind]:
    for name, around in AROUND.items():
        for way, run in _WAYS.items():
            yield _kind(f"{name}, {way}", run, around)
    yield _kind("agent, entered async", _entered_async, AROUND["agent"])
    yield Kind("steps without parentheses", _bare)
    yield Kind("scores", _scored, settings={"logger_provider": _LOGS})
    yield Kind("threads", _threaded)
    yield Kind("a provider's flush and end", _flushed)
    yield Kind("the end of the process", _ended)


DECLARED: Final = {kind.name: kind for kind in _declared()}

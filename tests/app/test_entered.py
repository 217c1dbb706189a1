"""One `with` object entered in many places at once, and generators: nothing is attached where it was not entered."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from typing import Any

import pytest
from app.recording import Recorded
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import StatusCode

import otel_llm
from otel_llm.context import current_scope
from otel_llm_semconv import attributes as a


def test_a_generator_holds_no_context_while_it_is_suspended(recorded: Recorded) -> None:
    seen: list[str] = []

    @otel_llm.agent
    def counter(count: int) -> Generator[int, str, str]:
        for number in range(count):
            seen.append((yield number))
            with recorded.tracer.start_as_current_span(f"inside {number}"):
                pass
        return "done"

    before = otel_context.get_current()
    running = counter(2)
    assert next(running) == 0
    assert otel_context.get_current() == before
    assert running.send("a") == 1
    with pytest.raises(StopIteration) as stop:
        running.send("b")
    assert (stop.value.value, seen) == ("done", ["a", "b"])
    inside = [span for span in recorded.spans() if span.name.startswith("inside")]
    agent = recorded.spans()[-1]
    assert agent.name == "invoke_agent counter"
    assert agent.context is not None
    assert {span.parent.span_id for span in inside if span.parent} == {agent.context.span_id}


def test_a_generator_that_is_left_or_thrown_into_ends_its_span(recorded: Recorded) -> None:
    cleaned: list[str] = []

    @otel_llm.task
    def endless() -> Generator[int]:
        try:
            while True:
                try:
                    yield 1
                except ValueError:
                    yield 2
        finally:
            cleaned.append("yes")

    running = endless()
    next(running)
    assert running.throw(ValueError()) == 2
    running.close()
    assert cleaned == ["yes"]
    assert [span.status.status_code for span in recorded.spans()] == [StatusCode.UNSET]


def logged(function: Any) -> Any:
    """Somebody's decorator, behind which nothing shows that the function is a generator."""

    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def test_a_generator_behind_another_decorator_is_surrounded_too(recorded: Recorded) -> None:
    def inside() -> None:
        recorded.tracer.start_span("inside").end()

    @otel_llm.agent
    @logged
    def counter(count: int) -> Generator[int]:
        for number in range(count):
            inside()
            yield number

    @otel_llm.agent
    @logged
    async def async_counter(count: int) -> AsyncGenerator[int]:
        for number in range(count):
            inside()
            yield number

    @otel_llm.agent
    @logged
    def broken(count: int) -> Generator[int]:
        inside()
        raise ValueError(count)
        yield

    @otel_llm.agent
    @contextmanager
    def managed() -> Generator[int]:
        yield 7

    async def read() -> list[int]:
        return [number async for number in async_counter(2)]

    assert list(counter(2)) == asyncio.run(read()) == [0, 1]
    with pytest.raises(ValueError, match="5"):
        next(broken(5))
    with managed() as seven:
        assert seven == 7
    names = [span.name.removeprefix("invoke_agent ") for span in recorded.spans()]
    assert names == ["inside", "inside", "counter", "inside", "inside", "async_counter", "inside", "broken", "managed"]
    agents = {span.context.span_id: span.name for span in recorded.spans() if span.context and span.parent is None}
    parents = [agents[span.parent.span_id] for span in recorded.spans() if span.parent]
    assert parents == ["invoke_agent counter"] * 2 + ["invoke_agent async_counter"] * 2 + ["invoke_agent broken"]
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize("decorate", [otel_llm.task, otel_llm.session("s"), otel_llm.agent("named")])
def test_a_decorated_function_is_of_the_kind_that_it_was(recorded: Recorded, decorate: Any) -> None:
    def plain() -> None: ...
    async def coroutine() -> None: ...
    def generator() -> Iterator[None]:
        yield

    async def async_generator() -> AsyncIterator[None]:
        yield

    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    for function in (plain, coroutine, generator, async_generator):
        assert [kind(decorate(function)) for kind in kinds] == [kind(function) for kind in kinds]


def test_steps_above_the_decorators_of_methods(recorded: Recorded) -> None:
    class Shelf:
        @otel_llm.tool
        @staticmethod
        def static(count: int) -> int:
            return count

        @otel_llm.tool("named")
        @classmethod
        def of_class(cls, count: int) -> tuple[str, int]:
            return cls.__name__, count

        @otel_llm.tool
        @property
        def size(self) -> int:
            """How many."""
            return 3

    shelf = Shelf()
    assert (shelf.static(1), Shelf.static(2), shelf.of_class(4), shelf.size) == (1, 2, ("Shelf", 4), 3)
    assert Shelf.size.__doc__ == "How many."
    names = [span.name for span in recorded.spans()]
    assert names == ["execute_tool static", "execute_tool static", "execute_tool named", "execute_tool size"]


def test_an_async_generator_holds_no_context_while_it_is_suspended(recorded: Recorded) -> None:
    @otel_llm.agent
    async def letters() -> AsyncGenerator[str, None]:
        for letter in "ab":
            with recorded.tracer.start_as_current_span(letter):
                yield letter

    async def main() -> list[str]:
        before = otel_context.get_current()
        seen = []
        async for letter in letters():
            assert otel_context.get_current() == before
            seen.append(letter)
        async for _ in letters():
            break
        return seen

    assert asyncio.run(main()) == ["a", "b"]
    agents = [span for span in recorded.spans() if span.name == "invoke_agent letters"]
    assert len(agents) == 2


def test_one_step_may_be_entered_by_many_tasks_at_once(recorded: Recorded) -> None:
    step = otel_llm.agent("shared")

    async def work(rounds: int) -> None:
        with step as span:
            for _ in range(rounds):
                await asyncio.sleep(0)
            assert trace.get_current_span() is span
        assert trace.get_current_span() is trace.INVALID_SPAN

    async def main() -> None:
        await asyncio.gather(work(3), work(1), work(2))

    asyncio.run(main())
    assert [span.name for span in recorded.spans()] == ["invoke_agent shared"] * 3


def user_here() -> Any:
    return current_scope().attributes.get(a.USER_ID)


SHARED: list[Callable[[], Any]] = [lambda: otel_llm.user("alice"), lambda: otel_llm.agent("shared")]


def is_clean() -> bool:
    return otel_context.get_current() == {}


@pytest.mark.parametrize("make", SHARED, ids=["user", "agent"])
def test_one_object_in_two_threads_leaves_each_as_it_was(recorded: Recorded, make: Callable[[], Any]) -> None:
    shared, found = make(), {}
    entered, left, may_leave = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with shared:
            entered.set()
            may_leave.wait(10)
        found["first"] = is_clean()
        left.set()

    def second() -> None:
        entered.wait(10)
        with shared:
            may_leave.set()
            left.wait(10)
            found["inside"] = not is_clean()
        found["second"] = is_clean()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"first": True, "inside": True, "second": True}


@pytest.mark.parametrize("make", SHARED, ids=["user", "agent"])
def test_one_object_in_many_tasks_leaves_each_as_it_was(recorded: Recorded, make: Callable[[], Any]) -> None:
    shared = make()

    async def work(rounds: int) -> tuple[bool, bool]:
        with shared:
            await asyncio.sleep(0)
            with shared:
                for _ in range(rounds):
                    await asyncio.sleep(0)
            inside = not is_clean()
        return inside, is_clean()

    async def main() -> None:
        assert await asyncio.gather(*(work(rounds) for rounds in (3, 1, 2, 1))) == [(True, True)] * 4
        with shared:
            assert await asyncio.gather(work(2), work(1)) == [(True, False)] * 2
        assert is_clean()

    asyncio.run(main())
    assert len(recorded.spans()) in (0, 13)


@pytest.mark.parametrize("make", SHARED, ids=["user", "agent"])
def test_one_object_inside_itself_and_inside_another(recorded: Recorded, make: Callable[[], Any]) -> None:
    shared = make()
    with shared, otel_llm.user("bob"):
        outside = otel_context.get_current()
        with shared, otel_llm.user("carol"):
            assert user_here() == "carol"
        assert otel_context.get_current() is outside
        assert user_here() == "bob"
    assert is_clean()


@pytest.mark.parametrize("make", SHARED, ids=["user", "agent"])
def test_what_is_left_in_another_context_ends_there_and_detaches_nothing(
    recorded: Recorded, make: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """As frameworks do with a generator that they run step by step in threads of a pool."""
    shared = make()
    copy_context().run(shared.__enter__)
    with otel_llm.user("bob"):
        copy_context().run(shared.__exit__, None, None, None)
        shared.__exit__(None, None, None)  # once more than it was entered: nothing
        assert user_here() == "bob"
    assert is_clean()
    assert len(recorded.spans()) in (0, 1)
    assert caplog.records == []


def test_an_exception_is_thrown_into_a_decorated_context_manager(recorded: Recorded) -> None:
    seen: list[str] = []

    @contextmanager
    @otel_llm.task
    def plain() -> Iterator[int]:
        try:
            yield 1
        except ValueError as error:
            seen.append(str(error))

    @asynccontextmanager
    @otel_llm.task
    async def asynchronous() -> AsyncIterator[int]:
        try:
            yield 1
        except ValueError as error:
            seen.append(str(error))

    async def main() -> None:
        async with asynchronous():
            raise ValueError("two")

    with plain():
        raise ValueError("one")
    asyncio.run(main())
    assert seen == ["one", "two"]
    assert [span.status.status_code for span in recorded.spans()] == [StatusCode.UNSET] * 2


def test_what_it_does_not_catch_comes_out_and_marks_the_span(recorded: Recorded) -> None:
    @asynccontextmanager
    @otel_llm.task
    async def work() -> AsyncIterator[int]:
        yield 1

    async def main() -> None:
        with pytest.raises(ValueError, match="mine"):
            async with work():
                raise ValueError("mine")
        with pytest.raises(StopAsyncIteration):
            async with work():
                raise StopAsyncIteration

    asyncio.run(main())
    assert [span.status.status_code for span in recorded.spans()] == [StatusCode.ERROR] * 2


@pytest.mark.parametrize("decorate", [otel_llm.task, otel_llm.user("alice")], ids=["task", "user"])
def test_an_async_generator_is_driven_as_without_us(recorded: Recorded, decorate: Any) -> None:
    def make(log: list[Any]) -> Any:
        async def talk() -> AsyncGenerator[Any, Any]:
            try:
                while True:
                    try:
                        log.append((yield len(log)))
                    except KeyError as error:
                        log.append(repr(error))
            finally:
                await asyncio.sleep(0)
                log.append("closed")

        return talk

    async def talk_to(generator: Any) -> list[Any]:
        found = [await generator.asend(None), await generator.asend("a"), await generator.athrow(KeyError("k"))]
        assert is_clean()
        await generator.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(generator)
        return found

    async def main() -> None:
        plain: list[Any] = []
        ours: list[Any] = []
        assert await talk_to(make(plain)()) == await talk_to(decorate(make(ours))())
        assert plain == ours == ["a", "KeyError('k')", "closed"]

    asyncio.run(main())


def test_a_generator_that_ignores_its_close_is_told_so_as_without_us(recorded: Recorded) -> None:
    @otel_llm.task
    def stubborn() -> Generator[int]:
        try:
            yield 1
        except GeneratorExit:
            yield 2

    running = stubborn()
    next(running)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        running.close()
    assert next(running, "done") == "done"
    assert is_clean()

"""The context follows work into threads and pools, tasks and generators, and nothing of a request does."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import Pool, ThreadPool
from typing import Any

import httpx2
import openai
import pytest
import wrapt
from app.recording import Recorded
from opentelemetry import context as otel_context
from opentelemetry import trace

import otel_llm
from otel_llm.propagation import LEAVING
from otel_llm_collector.demo.standin.server import Standin
from otel_llm_semconv import attributes as a

HELLO: Any = [{"role": "user", "content": "hello"}]
Work = Callable[[], Any]


class _Own(threading.Thread):
    """A thread with a `run` of its own."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work

    def run(self) -> None:
        self._work()


def _by_thread(work: Work) -> None:
    _start_and_join(threading.Thread(target=work))


def _by_subclass(work: Work) -> None:
    _start_and_join(_Own(work))


def _by_timer(work: Work) -> None:
    _start_and_join(threading.Timer(0, work))


def _by_own_attribute(work: Work) -> None:
    thread = threading.Thread()
    thread.run = work  # type: ignore[method-assign]
    _start_and_join(thread)
    assert thread.run is work


def _start_and_join(thread: threading.Thread) -> None:
    thread.start()
    thread.join()


def _by_submit(work: Work) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def _by_map(work: Work) -> None:
    with ThreadPoolExecutor(1) as pool:
        list(pool.map(lambda _: work(), [1]))


def _by_loop(work: Work) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, work)

    asyncio.run(main())


def _by_to_thread(work: Work) -> None:
    asyncio.run(asyncio.to_thread(work))


def _by_gather(work: Work) -> None:
    async def one() -> None:
        await asyncio.sleep(0)
        work()

    async def main() -> None:
        await asyncio.gather(one())

    asyncio.run(main())


def _by_other_loop(work: Work) -> None:
    async def one() -> None:
        work()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    otel_context.get_current()
    thread.start()
    asyncio.run_coroutine_threadsafe(one(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _by_pool(how: Callable[[Any, Callable[[Any], Any]], Any]) -> Callable[[Work], None]:
    def run(work: Work) -> None:
        with ThreadPool(1) as pool:
            how(pool, lambda _: work())

    return run


WAYS: dict[str, Callable[[Work], None]] = {
    "Thread": _by_thread,
    "Thread, subclass": _by_subclass,
    "Thread, its own run": _by_own_attribute,
    "Timer": _by_timer,
    "ThreadPoolExecutor.submit": _by_submit,
    "ThreadPoolExecutor.map": _by_map,
    "run_in_executor": _by_loop,
    "to_thread": _by_to_thread,
    "gather": _by_gather,
    "run_coroutine_threadsafe": _by_other_loop,
    "ThreadPool.map": _by_pool(lambda pool, work: pool.map(work, [1])),
    "ThreadPool.apply": _by_pool(lambda pool, work: pool.apply(work, (1,))),
    "ThreadPool.imap": _by_pool(lambda pool, work: list(pool.imap(work, [1]))),
    "ThreadPool.imap_unordered": _by_pool(lambda pool, work: list(pool.imap_unordered(work, [1, 1], chunksize=2))),
    "ThreadPool.starmap": _by_pool(lambda pool, work: pool.starmap(work, [(1,)])),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_call_knows_its_user_and_its_step(way: Callable[[Work], None], recorded: Recorded, standin: Standin) -> None:
    def call() -> None:
        with openai.OpenAI(api_key="k", base_url=standin.openai_url) as client:
            client.chat.completions.create(model="gpt-4o", messages=HELLO)

    with (
        otel_llm.session("s-1"),
        otel_llm.user("alice"),
        otel_llm.properties(department="cardiology"),
        otel_llm.prompt("triage", "v3"),
        otel_llm.agent("nurse") as step,
    ):
        way(call)
    for span in (span for span in recorded.spans() if span.name.startswith("chat")):
        found = dict(span.attributes or {})
        assert (found[a.SESSION_ID], found[a.USER_ID], found[a.AGENT_NAME]) == ("s-1", "alice", "nurse")
        assert (found[a.PROPERTY_PREFIX + "department"], found[a.PROMPT_VERSION]) == ("cardiology", "v3")
        assert span.parent is not None
        assert span.parent.span_id == step.get_span_context().span_id


@pytest.mark.parametrize("name", ["ThreadPoolExecutor", "ThreadPool"])
def test_each_piece_of_work_has_its_own_context(name: str, recorded: Recorded) -> None:
    def mark() -> None:
        recorded.tracer.start_span("mark").end()

    with otel_llm.user("who made the pool"):
        pool: Any = ThreadPoolExecutor(1) if name == "ThreadPoolExecutor" else ThreadPool(1)
    submit = pool.submit if name == "ThreadPoolExecutor" else pool.apply
    with pool:
        for user in ("alice", "bob"):
            with otel_llm.user(user):
                submit(mark)
        submit(mark)
    found = [(span.attributes or {}).get(a.USER_ID) for span in recorded.spans()]
    assert found == ["alice", "bob", None]


def test_a_generator_takes_its_context_into_another_thread(recorded: Recorded) -> None:
    @otel_llm.agent("nurse")
    @otel_llm.session("s-1")
    def count() -> Iterator[int]:
        for number in range(3):
            recorded.tracer.start_span("mark").end()
            yield number

    steps = count()
    assert next(steps) == 0
    with ThreadPoolExecutor(2) as pool:
        assert [pool.submit(next, steps).result() for _ in range(2)] == [1, 2]
    marks = [dict(span.attributes or {}) for span in recorded.spans() if span.name == "mark"]
    assert [(mark[a.SESSION_ID], mark[a.AGENT_NAME]) for mark in marks] == [("s-1", "nurse")] * 3


def test_async_generators_side_by_side_keep_theirs(recorded: Recorded) -> None:
    @otel_llm.agent
    async def count(name: str) -> AsyncIterator[str]:
        with otel_llm.user(name):
            for _ in range(2):
                await asyncio.sleep(0)
                recorded.tracer.start_span(name).end()
                yield name

    async def read(name: str) -> None:
        async for _ in count(name):
            assert trace.get_current_span() is trace.INVALID_SPAN

    async def main() -> None:
        await asyncio.gather(*map(read, ["alice", "bob"]))

    asyncio.run(main())
    marks = [span for span in recorded.spans() if span.name in ("alice", "bob")]
    assert len(marks) == 4
    assert all((span.attributes or {})[a.USER_ID] == span.name for span in marks)


def test_a_thread_that_a_request_starts_has_nothing_of_it(recorded: Recorded, standin: Standin) -> None:
    seen: list[Any] = []

    def look() -> None:
        seen.append((otel_context.get_value(LEAVING), trace.get_current_span(), dict(otel_context.get_current())))

    def hook(request: Any) -> None:
        _by_thread(look)
        _by_submit(look)

    url = standin.openai_url
    with otel_llm.agent("nurse") as step, httpx2.Client(event_hooks={"request": [hook]}) as client:
        own = dict(otel_context.get_current())
        client.post(url + "/chat/completions", json={"model": "gpt-4o", "messages": HELLO})
        client.get(url + "/models", headers={"user-agent": "OpenAI/Python 1", "x-stainless-lang": "python"})
    assert seen == [(None, step, own)] * 4


def test_what_the_app_sees_of_its_threads_is_the_same(recorded: Recorded) -> None:
    def fail(word: str) -> None:
        raise KeyError(word)

    with otel_llm.user("alice"):
        with ThreadPoolExecutor(1) as pool, pytest.raises(KeyError, match="own"):
            pool.submit(fail, word="own").result()
        thread = _Own(lambda: None)
        thread.start()
        thread.join()
        assert "run" not in vars(thread)
        with pytest.raises(RuntimeError, match="only be started once"):
            thread.start()
        assert "run" not in vars(thread)
        with pytest.raises(TypeError):
            ThreadPoolExecutor.submit()  # type: ignore[call-arg]
    assert str(inspect.signature(threading.Thread.start)) == "(self)"
    assert otel_context.get_current() == {}


def test_processes_are_handed_what_can_be_pickled(recorded: Recorded) -> None:
    with otel_llm.user("alice"), Pool(1) as pool:
        assert pool.map(abs, [-1]) == [1]


def test_others_hand_on_the_context_too(standin: Standin) -> None:
    """Whoever wraps first, and unwraps first: what is left of ours passes through."""

    def wrapped(function: Any, thread: Any, args: Any, kwargs: Any) -> Any:
        assert isinstance(thread, threading.Thread)
        return function(*args, **kwargs)

    start, seen = threading.Thread.start, list[Any]()
    outer = wrapt.FunctionWrapper(start, wrapped)
    threading.Thread.start = outer  # type: ignore[method-assign]
    try:
        Recorded()
        threading.Thread.start = wrapt.FunctionWrapper(vars(threading.Thread)["start"], wrapped)  # type: ignore[method-assign]
        for _ in range(2):
            with otel_llm.user("alice"):
                _by_thread(lambda: seen.append(otel_context.get_current()))
            otel_llm.uninstrument()
        assert [bool(one) for one in seen] == [True, False]
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]


def test_it_can_be_switched_off_and_is_taken_back() -> None:
    places = [(threading.Thread, "start"), (ThreadPoolExecutor, "submit"), (Pool, "imap"), (Pool, "_map_async")]
    before = [vars(owner)[name] for owner, name in places]
    Recorded(follow_threads=False)
    assert [vars(owner)[name] for owner, name in places] == before
    otel_llm.uninstrument()
    Recorded()
    assert all(vars(owner)[name] is not one for (owner, name), one in zip(places, before, strict=True))
    otel_llm.uninstrument()
    assert [vars(owner)[name] for owner, name in places] == before

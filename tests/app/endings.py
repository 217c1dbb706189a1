"""How an app can end a call: each a function of the scene and of what opens the call, in both colours."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import pytest
from app.paths import Open, Scene

Ending: TypeAlias = Callable[[Scene, Open], None]
AsyncEnding: TypeAlias = Callable[[Scene, Open], Awaitable[None]]
#: Turns of the loop that it takes to close the generators inside one another, with room.
_TURNS_MAX: Final = 50


class AppError(Exception):
    """A fault of the app's own."""


def exhaust(scene: Scene, open_it: Open) -> None:
    for piece in scene.got(open_it()):
        scene.saw(piece)


async def exhaust_async(scene: Scene, open_it: Open) -> None:
    async for piece in scene.got(await open_it()):
        scene.saw(piece)


def exhaust_inside(scene: Scene, open_it: Open) -> None:
    with open_it() as events:
        exhaust(scene, lambda: events)


async def exhaust_inside_async(scene: Scene, open_it: Open) -> None:
    async with open_it() as events:
        async for piece in scene.got(events):
            scene.saw(piece)


def keep_unread(scene: Scene, open_it: Open) -> None:
    scene.kept = scene.got(open_it())


async def keep_unread_async(scene: Scene, open_it: Open) -> None:
    scene.kept = scene.got(await open_it())


def _begin(scene: Scene, events: Any) -> None:
    for piece in events:
        scene.saw(piece)
        if scene.has_begun:
            break


async def _begin_async(scene: Scene, events: Any) -> None:
    async for piece in events:
        scene.saw(piece)
        if scene.has_begun:
            break


def close(scene: Scene, open_it: Open) -> None:
    events = scene.got(open_it())
    _begin(scene, events)
    events.close()
    scene.ended = scene.is_over()


async def close_async(scene: Scene, open_it: Open) -> None:
    events = scene.got(await open_it())
    await _begin_async(scene, events)
    await events.close()
    scene.ended = scene.is_over()


def stop(scene: Scene, open_it: Open) -> None:
    """Ask for nothing more, and hold on to the stream."""
    events = scene.got(open_it())
    _begin(scene, events)
    scene.ended = scene.is_over()


async def stop_async(scene: Scene, open_it: Open) -> None:
    events = scene.got(await open_it())
    await _begin_async(scene, events)
    scene.ended = scene.is_over()


def leave(scene: Scene, open_it: Open) -> None:
    with open_it() as events:
        _begin(scene, scene.got(events))
    scene.ended = scene.is_over()


async def leave_async(scene: Scene, open_it: Open) -> None:
    async with await settled(open_it()) as events:
        await _begin_async(scene, scene.got(events))
    scene.ended = scene.is_over()


def drop_unread(scene: Scene, open_it: Open) -> None:
    scene.got(open_it())
    gc.collect()
    scene.ended = scene.is_over()


async def drop_unread_async(scene: Scene, open_it: Open) -> None:
    scene.got(await open_it())
    await _settle(scene)


def drop(scene: Scene, open_it: Open) -> None:
    _begin(scene, scene.got(open_it()))
    gc.collect()
    scene.ended = scene.is_over()


async def drop_async(scene: Scene, open_it: Open) -> None:
    await _begin_async(scene, scene.got(await open_it()))
    await _settle(scene)


async def _settle(scene: Scene) -> None:
    """Let the loop close what has been dropped: generators inside one another, one a turn."""
    for _ in range(_TURNS_MAX):
        gc.collect()
        await asyncio.sleep(0.001)
        if scene.is_over():
            break
    scene.ended = scene.is_over()


def fail(scene: Scene, open_it: Open) -> None:
    """The app's own fault, in a loop whose stream nobody closes."""
    with pytest.raises(AppError):
        _fail(scene, scene.got(open_it()))
    gc.collect()
    scene.ended = scene.is_over()


def _fail(scene: Scene, events: Any) -> None:
    for piece in events:
        scene.saw(piece)
        if scene.has_begun:
            raise AppError


async def fail_async(scene: Scene, open_it: Open) -> None:
    with pytest.raises(AppError):
        await _fail_async(scene, scene.got(await open_it()))
    await _settle(scene)


async def _fail_async(scene: Scene, events: Any) -> None:
    async for piece in events:
        scene.saw(piece)
        if scene.has_begun:
            raise AppError


def fail_inside(scene: Scene, open_it: Open) -> None:
    with open_it() as events:
        _fail(scene, scene.got(events))


async def fail_inside_async(scene: Scene, open_it: Open) -> None:
    async with await settled(open_it()) as events:
        await _fail_async(scene, scene.got(events))


async def cancel(scene: Scene, open_it: Open) -> None:
    """While the app waits for the next piece."""
    begun = asyncio.Event()

    async def work() -> None:
        async for piece in scene.got(await open_it()):
            scene.saw(piece)
            if scene.has_begun:
                begun.set()

    await _cancel_when(begun.wait(), work())


async def cancel_unanswered(scene: Scene, open_it: Open) -> None:
    """While the provider has the request and has said nothing."""

    async def asked() -> None:
        while not scene.server.requests:
            await asyncio.sleep(0.005)

    async def work() -> None:
        await open_it()

    await _cancel_when(asked(), work())


async def _cancel_when(moment: Awaitable[object], work: Any) -> None:
    task = asyncio.create_task(work)
    await asyncio.wait_for(moment, 20)
    task.cancel()
    await task


def take(read: Callable[[Any], Any]) -> tuple[Ending, AsyncEnding]:
    """Read what the call returns."""

    def app(scene: Scene, open_it: Open) -> None:
        scene.saw(read(scene.got(open_it())))

    async def app_async(scene: Scene, open_it: Open) -> None:
        scene.saw(await settled(read(scene.got(await open_it()))))

    return app, app_async


def enter(read: Callable[[Any], Any]) -> tuple[Ending, AsyncEnding]:
    """Read what the call's context manager gives."""

    def app(scene: Scene, open_it: Open) -> None:
        with open_it() as given:
            scene.saw(read(scene.got(given)))

    async def app_async(scene: Scene, open_it: Open) -> None:
        async with open_it() as given:
            scene.saw(await settled(read(scene.got(given))))

    return app, app_async


def first(things: Any) -> Any:
    """The first of an iterator of either colour; of an async one a coroutine."""
    return anext(things) if hasattr(things, "__anext__") else next(things)


async def settled(value: Any) -> Any:
    """What an async client answers now or later."""
    return await value if inspect.isawaitable(value) else value


def gathered(things: Any) -> Any:
    """All of an iterable of either colour; of an async one a coroutine."""
    return _gather(things) if inspect.isawaitable(things) or hasattr(things, "__aiter__") else list(things)


async def _gather(things: Any) -> list[Any]:
    return [thing async for thing in await settled(things)]


#: The endings in both colours, by name.
EXHAUST: Final = exhaust, exhaust_async
EXHAUST_INSIDE: Final = exhaust_inside, exhaust_inside_async
KEEP_UNREAD: Final = keep_unread, keep_unread_async
CLOSE: Final = close, close_async
STOP: Final = stop, stop_async
LEAVE: Final = leave, leave_async
DROP_UNREAD: Final = drop_unread, drop_unread_async
DROP: Final = drop, drop_async
FAIL: Final = fail, fail_async
FAIL_INSIDE: Final = fail_inside, fail_inside_async

"""The methods inside which an SDK retries: what the app calls once is one span, however many attempts it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .exchange import Exchanges, UserCall, restore, user_call
from .patching import patch_path
from .providers import SDK_CALLS


def instrument(exchanges: Exchanges) -> None:
    """Hook each SDK's method as soon as the app has imported the SDK."""
    for target in SDK_CALLS:
        patch_path(target, lambda method: _wrap(method, exchanges))


def _wrap(method: Callable[..., Any], exchanges: Exchanges) -> Callable[..., Any]:
    def hooked(*args: Any, **kwargs: Any) -> Any:
        if not exchanges.active or _is_again(method, args):
            return method(*args, **kwargs)
        mine = UserCall(method, *args[:1])
        token = user_call.set(mine)
        try:
            result = method(*args, **kwargs)
        except BaseException as error:
            mine.fail(error)
            raise
        finally:
            restore(token)
        mine.succeed()
        return result

    async def hooked_async(*args: Any, **kwargs: Any) -> Any:
        if not exchanges.active or _is_again(method, args):
            return await method(*args, **kwargs)
        mine = UserCall(method, *args[:1])
        token = user_call.set(mine)
        try:
            result = await method(*args, **kwargs)
        except BaseException as error:
            mine.fail(error)
            raise
        finally:
            restore(token)
        mine.succeed()
        return result

    return hooked_async if inspect.iscoroutinefunction(method) else hooked


def _is_again(method: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    """True where the SDK calls its method from within itself, as Cohere's does for each further attempt."""
    outer = user_call.get()
    return outer is not None and outer.runs(method, args[0] if args else None)

"""The methods inside which an SDK retries: what the app calls once is one span, however many attempts it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .exchange import Exchanges, UserCall, user_call
from .failures import guarded
from .patching import patch_path
from .providers import SDK_CALLS


def instrument(exchanges: Exchanges) -> None:
    """Hook each SDK's method as soon as the app has imported the SDK."""
    for target in SDK_CALLS:
        patch_path(target, lambda method: _wrap(method, exchanges))


def _wrap(method: Callable[..., Any], exchanges: Exchanges) -> Callable[..., Any]:
    def hooked(*args: Any, **kwargs: Any) -> Any:
        mine = guarded(_begin, exchanges, method, args)
        if mine is None:
            return method(*args, **kwargs)
        with mine:
            return method(*args, **kwargs)

    async def hooked_async(*args: Any, **kwargs: Any) -> Any:
        mine = guarded(_begin, exchanges, method, args)
        if mine is None:
            return await method(*args, **kwargs)
        with mine:
            return await method(*args, **kwargs)

    return hooked_async if inspect.iscoroutinefunction(method) else hooked


def _begin(exchanges: Exchanges, method: Callable[..., Any], args: tuple[Any, ...]) -> UserCall | None:
    """What the app calls; None where the SDK calls its method from within, as Cohere's does for a further attempt."""
    owner, outer = args[0] if args else None, user_call.get()
    if not exchanges.active or (outer is not None and outer.runs(method, owner)):
        return None
    return UserCall(method, owner)

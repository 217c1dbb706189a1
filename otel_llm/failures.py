"""Our own faults: swallowed and counted in production, raised in our tests, never shown to the app as its own.

What the app's thread runs of ours, hooks and the public API alike, is wrapped in `shielded` or called by `guarded`
wherever it comes out of the app's code or a library's. A place catches for itself and calls `swallow` where one more
call would cost too much or something has to be put back. These places have to be right themselves: `EXCEPTIONS` in
`tests/app/faults.py` lists them, and whatever they call is broken there. Two kinds of code are not guarded: `init` and
`instrument`, which refuse a setting by `UsageError`, and the hooks of imports, which `patching.py` catches.

Each kind of fault is logged once; `counts` says how often it happened. A log line says where it happened and never the
error's own text, which may quote a prompt: `KeyError: 'my name is ...'`.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

RAISE_ENV: Final = "OTEL_LLM_RAISE_ERRORS"
counts: Final[Counter[str]] = Counter()
_PLACES_MAX: Final = 12
_raises = False
_logger = logging.getLogger("otel_llm")


def raise_faults(on: bool) -> None:
    """Have faults raised instead of counted: for tests of otel-llm."""
    global _raises
    _raises = on


def swallow(where: str, error: Exception) -> None:
    """Count a fault of ours, log its first occurrence, and raise it again where that was asked for."""
    kind = f"{where}: {type(error).__name__}"
    counts[kind] += 1
    if _raises:
        raise error
    if counts[kind] == 1:
        with suppress(Exception):  # a handler or a filter of the app's may raise
            _logger.warning(
                "otel-llm failed inside (%s); the app is not affected, telemetry may be\n%s", kind, places_of(error)
            )


def places_of(error: BaseException) -> str:
    """Type and places of an error and of those behind it, a line each, without a word of what they say."""
    lines: list[str] = []
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        lines.append(f"{type(found).__name__} in")
        places = [(frame.f_code, line) for frame, line in traceback.walk_tb(found.__traceback__)]
        lines.extend(f"  {code.co_filename}:{line} {code.co_name}" for code, line in places[-_PLACES_MAX:])
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return "\n".join(lines)


def guarded(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | None:
    """What the function answers, or None where it would have raised into the app."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        swallow(getattr(function, "__qualname__", str(type(function))), error)
        return None


def shielded(function: Callable[P, R]) -> Callable[P, R | None]:
    """The function, answering None where it would have raised into the app."""

    @functools.wraps(function)
    def guard(*args: P.args, **kwargs: P.kwargs) -> R | None:
        return guarded(function, *args, **kwargs)

    return guard

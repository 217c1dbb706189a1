"""One fault at one point of our code on the app's thread: where a function of ours begins or ends, or calls another.

The points are found by watching a call, so there is no list of them that could fall behind the code.
"""

from __future__ import annotations

import functools
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, Final, NamedTuple

from opentelemetry import context as otel_context

import otel_llm

ROOT: Final = Path(otel_llm.__file__).parent

#: Functions that have to be right themselves, by `module:qualified name`, and why. What they call is broken like all.
EXCEPTIONS: Final[dict[str, str]] = {
    "failures:*": "what catches the faults",
    "context:Binding.__*__": "calls a guard, or assigns",
    "context:_binding*": "calls a guard for each value",
    "context:prompt": "makes a Binding",
    "context:properties*": "makes a Binding",
    "context:session": "makes a Binding",
    "context:user": "makes a Binding",
    "decorators:Step.__*__": "calls a guard, or assigns",
    "decorators:_step": "makes a Step, and decorates with it",
    "decorators:agent": "makes a Step",
    "decorators:task": "makes a Step",
    "decorators:tool": "makes a Step",
    "decorators:workflow": "makes a Step",
    "entered:*": "guards of what attaches a context and puts the app's back",
    "export:_watch_pools.*.hooked": "a hook: calls a guard, and the pool's method",
    "generators:*": "the app's generator: calls guards around its steps",
    "exchange:Passage.__e*__": "a guard: nothing but a `try` around what enters and leaves",
    "exchange:UserCall.__e*__": "a guard",
    "inheritance:ContextProcessor.force_flush": "calls a guard, called by the app's provider",
    "inheritance:ContextProcessor.on_*": "a guard, called by the app's provider",
    "inheritance:ContextProcessor.shutdown": "calls guards, called by the app's provider",
    "injection:UsageFilter.__init__": "assigns two constants",
    "injection:UsageFilter.rest": "swaps two variables",
    "injection:UsageFilter.take": "a guard: after a fault all bytes pass as they are",
    "instrument:_at_exit": "calls guards, at the end of the process",
    "instrument:_watch_providers.*.hooked": "a hook: calls a guard, and the provider's method",
    "propagation:Guard.inject": "the app's propagator: calls a guard",
    "propagation:strip_leaving": "a guard",
    "score:score": "a guard",
    "sdk_calls:_wrap.<locals>.hooked*": "a hook: calls a guard, and the SDK's method inside `with`",
    "stream:_look": "a guard",
    "stream:tee*": "the app's body: calls guards",
    "surrounding:Surrounding.__*__": "calls guards",
    "surrounding:Surrounding._decorate.<locals>.*": "the app's function inside `with`",
    "surrounding:Surrounding.enter": "calls a guard",
    "threads:*.hooked": "a hook: calls a guard, and the method of the thread or the pool",
    "transports.*:*.hooked": "a hook: calls guards, and the library's method inside `with`",
    "transports.*:_receive": "a guard",
    "transports.aiohttp:_Tap.*": "guards of what the reader below tells",
    "transports.aiohttp:_passing.<locals>.passed": "a method of the library's, passed on",
    "transports.aiohttp:_reading.<locals>.read": "a method of the library's: calls guards of `_Tap`",
    "transports.aiohttp:_teed.<locals>.Teed.*": "the library's reader: calls guards of `_Tap`",
    "transports.httpx:_*sync_tees.<locals>.*Tee.*": "the app's body: calls guards",
    "transports.httpx:_begin": "a guard",
    "transports.sessions:Session.abandon": "called by `guarded`, on whatever thread collects the connection",
    "transports.urllib3:_argument": "looks an argument up",
    "transports.urllib3:_teed.<locals>.Teed.*": "the library's response: calls guards",
    "transports.websockets:_tapped_*.<locals>.Tapped.*": "the library's connection: calls guards",
}
#: What fails in these is no fault of ours, and is not counted.
LENIENT: Final[dict[str, str]] = {
    "encodable:message_of": "an error of the app's may not be able to say what it is",
    "stream:Recorder._decode": "a body may not be encoded as it says, which the app's own decoder finds",
}
_ROOT: Final = str(ROOT)
_used: Final[set[str]] = set()


class UnexpectedError(Exception):
    """Not one that any code expects."""


class Point(NamedTuple):
    """The entry into a function, or the way back out of it, where another one calls it."""

    event: str
    caller: CodeType
    callee: CodeType

    def __str__(self) -> str:
        return f"{self.event} of {name_of(self.callee)} by {name_of(self.caller)}"


def name_of(code: CodeType) -> str:
    """`module:qualified name`, inside our package without the package."""
    return f"{_module_of(code.co_filename)}:{code.co_qualname}"


@functools.cache
def _module_of(file: str) -> str:
    path = Path(file)
    return ".".join(path.relative_to(ROOT).with_suffix("").parts) if path.is_relative_to(ROOT) else path.stem


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(_ROOT)


def is_exception(code: CodeType) -> bool:
    """True for our functions that have to be right themselves."""
    return _is_ours(code) and bool(_rows_of(name_of(code)))


@functools.cache
def _rows_of(name: str) -> set[str]:
    found = {row for row in EXCEPTIONS if fnmatchcase(name, row)}
    _used.update(found)
    return found


def unused_exceptions() -> set[str]:
    """Rows of the table by which no call has come."""
    return EXCEPTIONS.keys() - _used


def _is_point(point: Point) -> bool:
    """Hooks call what is the app's own: from them only what is ours is broken."""
    if name_of(point.caller) in LENIENT:
        return False
    if _is_ours(point.callee):
        return not is_exception(point.callee)
    return not is_exception(point.caller) or point.callee.co_filename == otel_context.__file__


@contextmanager
def _profiled(profile: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)


def find_points(run: Callable[[], object]) -> list[Point]:
    """All points that a run comes by, in their order."""
    found: dict[tuple[str, int, int], Point] = {}  # the hash of a code object is dear

    def profile(frame: FrameType, event: str, _: Any) -> None:
        back = frame.f_back
        if back is None or event not in ("call", "return"):
            return
        if _is_ours(frame.f_code) or (event == "call" and _is_ours(back.f_code)):
            key = event, id(back.f_code), id(frame.f_code)
            if key not in found:
                found[key] = Point(event, back.f_code, frame.f_code)

    with _profiled(profile):
        run()
    return [point for point in found.values() if _is_point(point)]


def run_with_fault(run: Callable[[], object], point: Point) -> tuple[object, bool]:
    """What a run answers that meets one fault, the first time that it comes by; and whether it has come by."""
    wanted, caller, callee = point
    hits: list[Point] = []

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if frame.f_code is callee and event == wanted and not hits:
            back = frame.f_back
            if back is not None and back.f_code is caller:
                hits.append(point)
                raise UnexpectedError

    with _profiled(profile):
        answer = run()
    return answer, bool(hits)


def find_functions(points: list[Point]) -> dict[str, list[FunctionType]]:
    """The functions that are called at these points, by their names; closures are none of them."""
    codes = {name_of(point.callee): point.callee for point in points if _is_ours(point.callee)}
    if any(id(code) not in _functions for code in codes.values()):
        _find_all()
    found = {name: _functions.setdefault(id(code), []) for name, code in codes.items()}
    return {name: functions for name, functions in found.items() if functions}


def _find_all() -> None:
    """Our functions by their codes: a module that was imported since is not known yet."""
    found: dict[int, list[FunctionType]] = {}
    gc.unfreeze()  # what is frozen is not said, see tests/conftest.py
    for one in gc.get_objects():
        if type(one) is FunctionType and _is_ours(one.__code__) and not one.__code__.co_freevars:
            found.setdefault(id(one.__code__), []).append(one)
    gc.freeze()
    _functions.update(found)


def run_with_broken(run: Callable[[], object], functions: list[FunctionType]) -> tuple[object, bool]:
    """What a run answers while functions raise whenever they are called; and whether they have been."""
    _hits.clear()
    codes = [function.__code__ for function in functions]
    for function in functions:
        function.__code__ = _broken.__code__
    try:
        return run(), bool(_hits)
    finally:
        for function, code in zip(functions, codes, strict=True):
            function.__code__ = code


def _broken(*args: Any, **kwargs: Any) -> Any:
    from app.faults import UnexpectedError, _hits  # it runs inside of other modules

    _hits.append(True)
    raise UnexpectedError


_functions: Final[dict[int, list[FunctionType]]] = {}
_hits: Final[list[bool]] = []

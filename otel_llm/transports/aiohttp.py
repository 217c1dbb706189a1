"""aiohttp: `ClientSession._request`, which all ways to send a request end in.

`resp.content` is replaced by a reader of the same kind that passes each read on and feeds the recorder what the app
got. It uses the public methods of a `StreamReader` alone; the one below goes on to be filled by the connection.
"""

from __future__ import annotations

import functools
from asyncio import IncompleteReadError
from collections.abc import Callable, Mapping, MutableMapping
from types import ModuleType
from typing import Any, Final, NamedTuple

from ..exchange import Exchange, Exchanges, Passage
from ..failures import guarded
from ..finisher import finisher
from ..patching import patch, when_imported
from ..propagation import strip_leaving
from ..recognition import Body
from ..stream import Recorder
from .bodies import decoder_of
from .headers import Headers, pairs_of

MODULE: Final = "aiohttp.client"
#: Methods of a reader that answer what they read.
_READS: Final = ("read", "readany", "readexactly", "readline", "readuntil")
#: Methods that read by calling those of the reader that they are called on.
_ITERATES: Final = ("iter_any", "iter_chunked", "iter_chunks")


class _Sent(NamedTuple):
    """A request as it is handed to a session."""

    session: Any
    url: Any
    options: dict[str, Any]


class _SentHeaders(Headers):
    """Headers of such a request. A copy: they are stripped when it leaves, with the session's own; what is set is."""

    def __init__(self, request: _Sent) -> None:
        super().__init__([*pairs_of(request.session.headers), *pairs_of(request.options.get("headers"))])
        self._options = request.options

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name, value)
        kept = [(key, old) for key, old in pairs_of(self._options.get("headers")) if key.lower() != name]
        self._options["headers"] = [*kept, (name, value)]


class _Requests:
    """How such a request is read."""

    def headers(self, request: _Sent) -> MutableMapping[str, Any]:
        return _SentHeaders(request)

    def port(self, request: _Sent) -> int | None:
        port: int | None = request.url.port
        return port

    def body(self, request: _Sent) -> Body:
        given = request.options.get("json")
        if given is not None:
            return _copied(given) if isinstance(given, dict) else None
        data = request.options.get("data")
        if isinstance(data, str):
            return data.encode()
        if isinstance(data, bytes | bytearray):
            return bytes(data)
        return _form_fields(data)


_REQUESTS: Final = _Requests()


def _copied(given: dict[str, Any]) -> dict[str, Any]:
    """The object as it is sent, should the app go on adding to its messages."""
    return {key: list(value) if isinstance(value, list) else value for key, value in given.items()}


def _form_fields(data: Any) -> Body:
    """The plain fields of a form; its files are not read. None where it is no form."""
    if isinstance(data, Mapping):
        pairs = list(data.items())
    elif isinstance(fields := getattr(data, "_fields", None), list):
        pairs = [(options.get("name"), value) for options, _, value in fields]
    else:
        return None
    return {name: value for name, value in pairs if isinstance(name, str) and isinstance(value, str)}


def instrument(exchanges: Exchanges) -> None:
    """Hook sessions as soon as the app has imported aiohttp."""
    when_imported(MODULE, lambda module: _hook(module, exchanges))


def _hook(module: ModuleType, exchanges: Exchanges) -> None:
    patch(module.ClientSession, "_request", lambda request: _wrap(request, exchanges))
    patch(module.ClientRequest, "send", _wrap_last_step)


def _wrap_last_step(send: Callable[..., Any]) -> Callable[..., Any]:
    """Strip where a request leaves, behind middlewares and tracing. (A coroutine function's coroutine is passed on.)"""

    def hooked(request: Any, *args: Any, **kwargs: Any) -> Any:
        strip_leaving(request)
        return send(request, *args, **kwargs)

    return hooked


def _wrap(request: Callable[..., Any], exchanges: Exchanges) -> Callable[..., Any]:
    async def hooked(session: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = guarded(_begin, exchanges, session, args, kwargs)
        if exchange is None:
            return await request(session, *args, **kwargs)
        with exchange:
            try:
                response = await request(session, *args, **kwargs)
            except Exception as error:
                guarded(_fail, exchange, error, session, kwargs)
                raise
        _receive(exchange, response, session, kwargs)
        return response

    return hooked


def _begin(exchanges: Exchanges, session: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Passage | None:
    try:
        method, given = (*args, *(kwargs[name] for name in ("method", "str_or_url")[len(args) :]))
        url = session._build_url(given)
        path, host, method = url.path, url.host or "", method.upper()
    except (AttributeError, KeyError, TypeError, ValueError):
        return None  # its own error is for aiohttp to raise
    return exchanges.begin(method, path, host, _Sent(session, url, kwargs), _REQUESTS)


def _raises_for_status(session: Any, kwargs: dict[str, Any]) -> bool:
    asked = kwargs.get("raise_for_status")
    return bool(getattr(session, "raise_for_status", False) if asked is None else asked)


def _decompresses(session: Any, kwargs: dict[str, Any]) -> bool:
    asked = kwargs.get("auto_decompress")
    return bool(getattr(session, "auto_decompress", True) if asked is None else asked)


def _fail(exchange: Passage, error: Exception, session: Any, kwargs: dict[str, Any]) -> None:
    """No response came, or one that the session was told to raise for: of it there is a status, and no body."""
    status, headers = getattr(error, "status", None), getattr(error, "headers", None) or {}
    if not isinstance(exchange, Exchange) or not isinstance(status, int) or status < 400:
        return
    if _raises_for_status(session, kwargs):
        exchange.receive(status, headers, b"")


def _receive(exchange: Passage, response: Any, session: Any, kwargs: dict[str, Any]) -> None:
    """Have the body read as the app reads it. Never raises."""
    if not isinstance(exchange, Exchange):
        return
    try:
        if not exchange.is_recording:
            return
        decoder = None if _decompresses(session, kwargs) else decoder_of(response.headers)
        content = response.content
        tap = _Tap(exchange.record(response.status, response.headers, decoder))
        response.content = _teed(type(content))(content, tap)  # type: ignore[arg-type]  # a class can be a key
    except Exception as error:
        exchange.give_up(error)


class _Tap:
    """What the methods of a reader tell: what the app got, the end, an error. Never raises."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._interruption: BaseException | None = None

    def take(self, data: bytes, *, is_last: bool) -> None:
        self._interruption = None
        try:
            if data:
                self._recorder.feed(data)
            if is_last:
                self._recorder.exhaust()
        except Exception as error:
            self._recorder.give_up(error)

    def fail(self, error: BaseException, *, is_broken: bool) -> None:
        """A read that failed is no end of a sound body: the app may have waited for a moment only, or asked wrongly."""
        if is_broken:
            guarded(self._recorder.fail, error)
        else:
            self._interruption = error

    def close(self) -> None:
        if self._interruption is not None:
            guarded(self._recorder.fail, self._interruption)
        else:
            guarded(self._recorder.close)

    def abandon(self) -> None:
        if self._interruption is not None:
            guarded(finisher.submit, self.close)
        else:
            guarded(self._recorder.abandon)


@functools.cache
def _teed(base: Any) -> Any:
    """The class of a reader that is recorded, made from its own: an empty one of its kind, in front of the real one."""

    class Teed(base):  # type: ignore[misc]  # the class of the reader at hand
        __slots__ = ("_inner", "_tap")

        def __init__(self, inner: Any, tap: _Tap) -> None:
            self._inner = inner
            self._tap = tap

        def __del__(self) -> None:
            self._tap.abandon()

        def __repr__(self) -> str:
            return repr(self._inner)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)  # its slots are empty here

        async def read(self, n: int = -1) -> Any:
            if n < 0:
                return await base.read(self, n)  # piece by piece, by `readany`: what came before a cut is kept
            return await read_some(self, n)

        async def readchunk(self) -> tuple[bytes, bool]:
            try:
                data, is_end = await self._inner.readchunk()
            except BaseException as error:
                self._tap.fail(error, is_broken=self._inner.exception() is not None)
                raise
            self._tap.take(data, is_last=self._inner.at_eof())
            return data, is_end

        def read_nowait(self, n: int = -1) -> Any:
            data = self._inner.read_nowait(n)
            self._tap.take(data, is_last=self._inner.at_eof())
            return data

        def exception(self) -> Any:
            found = self._inner.exception()
            if found is not None:
                self._tap.fail(found, is_broken=True)
            return found

        def set_exception(self, *args: Any, **kwargs: Any) -> None:
            self._tap.close()  # comes from the response's own `close` or `release`
            self._inner.set_exception(*args, **kwargs)

    read_some = _reading("read", base.read)
    for name in dir(base):
        if name not in vars(Teed) and name not in _ITERATES and not name.startswith("__"):
            method = getattr(base, name)
            if callable(method):
                setattr(Teed, name, (_reading if name in _READS else _passing)(name, method))
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(Teed, name, getattr(base, name))
    return Teed


def _reading(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            data = await getattr(self._inner, name)(*args, **kwargs)
        except IncompleteReadError as error:
            self._tap.take(error.partial, is_last=True)
            raise
        except BaseException as error:
            self._tap.fail(error, is_broken=self._inner.exception() is not None)
            raise
        self._tap.take(data, is_last=self._inner.at_eof())
        return data

    return read


def _passing(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def passed(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._inner, name)(*args, **kwargs)

    return passed

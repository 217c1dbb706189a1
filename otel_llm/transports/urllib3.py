"""The body of a urllib3 response, under requests and botocore: read by the app, with a copy for the recorder.

The response stays the object that it is. It only gets a class made from its own, whose reading methods feed the
recorder; all other ways to read (`iter_content`, `iter_lines`, `readinto`, `data`, event streams) end in these.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from threading import get_ident
from typing import Any, Final

from ..exchange import Exchange
from ..failures import guarded
from ..stream import Decoder, Recorder
from .bodies import decoder_of

_SIZE: Final = "amt"
_DECODED: Final = "decode_content"
_END: Final = object()


def tee(response: Any, exchange: Exchange, status: int, headers: Mapping[str, str]) -> None:
    """Have a response's body recorded as the app reads it; one that cannot be extended is recorded as not read."""
    undo = decoder_of(headers)
    decoder = _Decoded(undo) if undo is not None else None
    recorder = exchange.record(status, headers, decoder)
    try:
        response._otel_llm_tap = _Tap(recorder, decoder)
        response.__class__ = _teed(type(response))  # type: ignore[arg-type]  # a class is a key like any other
    except (AttributeError, TypeError):
        recorder.close()


class _Decoded:
    """Undoes an encoding, unless the app has the response do that: what is read is plain then."""

    def __init__(self, undo: Decoder) -> None:
        self._undo = undo
        self.is_plain = False

    def decode(self, data: bytes, /) -> Any:
        return data if self.is_plain else self._undo.decode(data)


class _Tap:
    """What the methods of a response tell of each piece that the app gets."""

    def __init__(self, recorder: Recorder, decoder: _Decoded | None) -> None:
        self.recorder = recorder
        self._decoder = decoder
        self.is_collected = False
        self.reader: int | None = None  # the thread that reads at this moment

    def take(self, data: bytes | None, *, is_plain: bool) -> None:
        if data:
            if self._decoder is not None:
                self._decoder.is_plain = is_plain
            self.recorder.feed(data)

    def next(self, pieces: Iterator[Any]) -> Any:
        """The next piece, or `_END`."""
        self.reader = get_ident()
        try:
            return next(pieces, _END)
        finally:
            self.reader = None

    def close(self) -> None:
        """The app closes the response. Where urllib3 does, since reading breaks off, it raises next; the collector too.

        Another thread than reads may close it, to have the reading end.
        """
        if not self.is_collected and self.reader != get_ident():
            self.recorder.close()

    def exhaust(self, response: Any) -> None:
        """No more pieces come; fewer than were announced is a cut that some versions do not raise for."""
        missing = getattr(response, "length_remaining", None)
        if missing:
            from http.client import IncompleteRead

            self.recorder.fail(IncompleteRead(b"", missing))
        else:
            self.recorder.exhaust()

    def fail(self, response: Any, error: BaseException) -> None:
        """Reading broke off. What came in one piece with the cut counts, though the app does not get it."""
        buffered = getattr(getattr(response, "_decoded_buffer", None), "buffer", ())
        self.take(b"".join(map(bytes, buffered)), is_plain=True)
        partial = getattr(error.__cause__, "partial", None)
        if isinstance(partial, bytes) and not (self._decoder is not None and self._decoder.is_plain):
            self.take(partial, is_plain=False)
        self.recorder.fail(error)


@functools.cache
def _teed(base: Any) -> Any:
    """The class of a response that is recorded, made from its own: same names, same methods."""

    class Teed(base):  # type: ignore[misc]  # the class of the response at hand
        _otel_llm_tap: _Tap

        def __del__(self) -> None:
            tap = self._otel_llm_tap
            tap.is_collected = True  # closes next, inside the garbage collector
            guarded(tap.recorder.abandon)
            if hasattr(base, "__del__"):
                super().__del__()

        def read(self, *args: Any, **kwargs: Any) -> Any:
            return self._otel_llm_read(super().read, args, kwargs, reads_all=True)

        def read1(self, *args: Any, **kwargs: Any) -> Any:
            return self._otel_llm_read(super().read1, args, kwargs, reads_all=False)

        def _otel_llm_read(self, read: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, reads_all: bool) -> Any:
            tap = self._otel_llm_tap
            try:
                data = read(*args, **kwargs)
            except BaseException as error:
                guarded(tap.fail, self, error)
                raise
            try:
                asked = _argument(args, kwargs, 1, _DECODED)
                tap.take(data, is_plain=bool(getattr(self, _DECODED, False) if asked is None else asked))
                size = _argument(args, kwargs, 0, _SIZE)
                if (not data and size != 0) or (reads_all and (size is None or size < 0)):
                    tap.exhaust(self)
            except Exception as error:
                tap.recorder.give_up(error)
            return data

        def read_chunked(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
            tap = self._otel_llm_tap
            try:
                pieces = super().read_chunked(*args, **kwargs)
                while (data := tap.next(pieces)) is not _END:
                    try:
                        tap.take(data, is_plain=bool(_argument(args, kwargs, 1, _DECODED)))
                    except Exception as error:
                        tap.recorder.give_up(error)
                    yield data
            except GeneratorExit:
                raise
            except BaseException as error:
                guarded(tap.fail, self, error)
                raise
            if _argument(args, kwargs, 0, _SIZE) != 0:
                guarded(tap.exhaust, self)

        def stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
            yield from super().stream(*args, **kwargs)
            if _argument(args, kwargs, 0, _SIZE) != 0:
                guarded(self._otel_llm_tap.exhaust, self)

        def close(self) -> None:
            guarded(self._otel_llm_tap.close)
            super().close()

    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(Teed, name, getattr(base, name))
    return Teed


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int, name: str) -> Any:
    return args[place] if len(args) > place else kwargs.get(name)

"""Bodies that are not plain: the fields of a form on its way out, an encoded body on its way in."""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..stream import Decoder

_BOUNDARY: Final = re.compile(r'boundary="?([^";,]+)')
_NAME: Final = re.compile(rb'[; ]name="([^"]+)"')
_FILE: Final = b"filename"
_HEAD_END: Final = b"\r\n\r\n"
_FIELD_BYTES_MAX: Final = 64 * 1024
_ZLIB_NAMES: Final = frozenset({"deflate", "gzip", "x-gzip"})
_ANY_ZLIB: Final = zlib.MAX_WBITS | 32  # gzip or zlib, as its first bytes say
_GZIP: Final = b"\x1f\x8b"
_HEAD_BYTES: Final = 2
_ENCODINGS_MAX: Final = 5
#: Encodings that the standard library does not know -> the modules that do -> how each undoes them.
_MODULES: Final[Mapping[str, Mapping[str, Callable[[Any], Callable[[bytes], bytes]]]]] = {
    "br": {
        "brotli": lambda brotli: brotli.Decompressor().process,
        "brotlicffi": lambda brotli: brotli.Decompressor().process,
    },
    "zstd": {
        "backports.zstd": lambda zstd: zstd.ZstdDecompressor().decompress,
        "compression.zstd": lambda zstd: zstd.ZstdDecompressor().decompress,
        "zstandard": lambda zstd: zstd.ZstdDecompressor().decompressobj().decompress,
    },
}


def form_fields(body: bytes, content_type: str) -> dict[str, str]:
    """The plain fields of an encoded form, up to its first file: clients put files last, and they may be large."""
    found: dict[str, str] = {}
    named = _BOUNDARY.search(content_type)
    if named is None or not content_type.lower().startswith("multipart/form-data"):
        return found
    delimiter = b"--" + named[1].encode()
    start = body.find(delimiter)
    while start >= 0:
        head, _, _ = body[start : start + _FIELD_BYTES_MAX].partition(_HEAD_END)
        name = _NAME.search(head)
        if name is None or _FILE in head:
            break
        value = start + len(head) + len(_HEAD_END)
        start = body.find(b"\r\n" + delimiter, value)
        if start >= 0:
            found[name[1].decode("utf-8", "replace")] = body[value:start].decode("utf-8", "replace")
            start += 2
    return found


def decoder_of(headers: Mapping[str, str]) -> Decoder | None:
    """What undoes the encoding that the headers name; None where there is none."""
    written = (name.strip().lower() for name in headers.get("content-encoding", "").split(","))
    encodings = [name for name in written if name and name != "identity"]
    return _Decoder([_undoing(name) for name in reversed(encodings[:_ENCODINGS_MAX])]) if encodings else None


def _undoing(encoding: str) -> Callable[[bytes], bytes]:
    """Of a body in an encoding that nothing here knows nothing is read."""
    if encoding in _ZLIB_NAMES:
        return _Zlib().decompress
    for name, make in _MODULES.get(encoding, {}).items():
        if (module := sys.modules.get(name)) is not None:  # the HTTP libraries import what is installed
            return make(module)
    return lambda _: b""


class _Decoder:
    """Undoes encodings, the outermost first."""

    def __init__(self, undo: list[Callable[[bytes], bytes]]) -> None:
        self._undo = undo

    def decode(self, data: bytes, /) -> bytes:
        for undo in self._undo:
            data = undo(data)
        return data


class _Zlib:
    """gzip or zlib, one or several after another, or deflate without a head: as the first two bytes say."""

    def __init__(self) -> None:
        self._head = b""
        self._stream: Any = None

    def decompress(self, data: bytes) -> bytes:
        if self._stream is None:
            self._head += data
            if len(self._head) < _HEAD_BYTES:
                return b""
            data, self._stream = self._head, zlib.decompressobj(_window(self._head))
        found: bytes = self._stream.decompress(data)
        while self._stream.eof and self._stream.unused_data.startswith(_GZIP):
            data, self._stream = self._stream.unused_data, zlib.decompressobj(_ANY_ZLIB)
            found += self._stream.decompress(data)
        return found


def _window(head: bytes) -> int:
    is_zlib = head[0] & 15 == zlib.DEFLATED and (head[0] << 8 | head[1]) % 31 == 0
    return _ANY_ZLIB if is_zlib or head.startswith(_GZIP) else -zlib.MAX_WBITS

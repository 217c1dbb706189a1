"""Decompression with a limit on what comes out: a small body must not become a large one."""

from __future__ import annotations

import sys
import zlib
from typing import Any, Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from .. import quick_zlib
from .refusals import BadDataError, TooLargeError

_GZIP: Final = 16 + zlib.MAX_WBITS
_WINDOW: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}
_ZSTD: Final = "zstd"
#: The window that RFC 9659 wants of zstd in HTTP: what a body may make a decoder keep in memory.
_ZSTD_WINDOW_LOG_MAX: Final = 23
#: How a member begins.
_STARTS: Final = {"gzip": b"\x1f\x8b", "x-gzip": b"\x1f\x8b"}
ENCODINGS: Final = ("", *_WINDOW, _ZSTD)


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding; all members of a gzip body, all frames of a zstd one, at most `limit`
    bytes together.

    Raises BadDataError for a damaged body, TooLargeError above the limit. `encoding` is one of ENCODINGS.
    """
    if not encoding:
        return body
    parts: list[bytes] = []
    room = limit
    while body:
        if parts and not body.startswith(_STARTS.get(encoding, b"")):
            raise BadDataError(f"behind the end of the {encoding} body are {len(body)} bytes that are no {encoding}")
        decoder = _decoder(encoding)
        parts.append(_inflate_member(decoder, body, room, encoding))
        room -= len(parts[-1])
        body = decoder.unused_data.lstrip(b"\0")  # gzip allows zero padding after a member
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _decoder(encoding: str) -> Any:
    """What decompresses one member; the two libraries agree on how it is asked."""
    if encoding != _ZSTD:
        return quick_zlib.decompressobj(_WINDOW[encoding])
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG_MAX})


def _inflate_member(decoder: Any, body: bytes, room: int, encoding: str) -> bytes:
    try:
        part: bytes = decoder.decompress(body, room + 1)
    except (quick_zlib.error, zlib.error, zstd.ZstdError) as error:
        raise BadDataError(f"the {encoding} body is damaged: {error}") from None
    if len(part) > room:
        raise TooLargeError("the body inflates to more than the limit; send smaller batches")
    if not decoder.eof:
        raise BadDataError(f"the {encoding} body is cut short")
    return part

"""Decompression with a limit on what comes out: a small body must not become a large one."""

from __future__ import annotations

import zlib
from typing import Final

from .refusals import BadDataError, TooLargeError

_GZIP: Final = 16 + zlib.MAX_WBITS
_WINDOW: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}
ENCODINGS: Final = ("identity", *_WINDOW)


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding; all members of a gzip body, at most `limit` bytes together.

    Raises BadDataError for a damaged body, TooLargeError above the limit. `encoding` is one of ENCODINGS.
    """
    if encoding in ("", "identity"):
        return body
    parts: list[bytes] = []
    room = limit
    while body:
        decoder = zlib.decompressobj(_WINDOW[encoding])
        parts.append(_inflate_member(decoder, body, room, encoding))
        room -= len(parts[-1])
        body = decoder.unused_data.lstrip(b"\0")  # gzip allows zero padding after a member
    return b"".join(parts)


def _inflate_member(decoder: zlib._Decompress, body: bytes, room: int, encoding: str) -> bytes:
    try:
        part = decoder.decompress(body, room + 1)
    except zlib.error as error:
        raise BadDataError(f"the {encoding} body is damaged: {error}") from None
    if len(part) > room:
        raise TooLargeError("the body inflates to more than the limit; send smaller batches")
    if not decoder.eof:
        raise BadDataError(f"the {encoding} body is cut short")
    return part

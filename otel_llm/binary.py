"""Images, audio and documents: their kind, size and hash go on a span, their bytes never do.

Readers call `blob` for inline data and `linked` for a URL, which may be a `data:` URL. The schema of the conventions
asks a blob part for its content, which is therefore there and empty.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from typing import Any, Final
from urllib.parse import unquote, unquote_to_bytes

#: Larger data has a size and no hash: hashing takes 1 to 3 ms a megabyte.
HASHED_BYTES_MAX: Final = 48 << 20
#: Stands in every text that holds a `data:` URL with base64: the cheap question before the search.
BASE64_MARK: Final = ";base64,"
_MIME_CHARS_MAX: Final = 100
_STANDARD: Final = str.maketrans("-_", "+/")
_DATA_URL: Final = re.compile(
    # base64 as it is, or inside JSON text, in which a slash may be escaped and lines broken
    r"data:([\w.+/\\*-]{0,100})((?:;[\w.+=%*-]{1,100}){0,8}?);base64,([\w+/=%-]*(?:\\[/nr][\w+/=%-]*)*)",
    re.ASCII,
)
_JSON_ESCAPE: Final = re.compile(r"\\(?:(/)|[nr])")


class Blob(dict[str, Any]):
    """A blob part as it goes on a span. `data` is what it stands for, as base64 text or bytes: for an upload only."""

    __slots__ = ("data",)

    def __init__(self, part: dict[str, Any], data: str | bytes) -> None:
        super().__init__(part)
        self.data = data


def blob(modality: str, mime_type: Any, data: Any) -> Blob:
    """The part for inline data, given as base64 text or as bytes: its size in bytes and SHA-256 instead of it.

    `modality` is image, video, audio or document. Text that is no base64 has an estimated size and no hash.
    """
    given = data if isinstance(data, str | bytes) else ""
    part = {"type": "blob", "modality": modality, **_mime(mime_type), "content": "", **measured(given)}
    return Blob(part, given)


def linked(modality: str, url: Any, mime_type: Any = None) -> dict[str, Any]:
    """The part for a URL: the link itself, or a blob where the URL holds the data."""
    text = url if isinstance(url, str) else ""
    if text[:5].lower() != "data:":
        return {"type": "uri", "modality": modality, **_mime(mime_type), "uri": text}
    head, _, data = text[5:].partition(",")
    mime_type = head.partition(";")[0] or mime_type
    return blob(modality, mime_type, data if head.endswith(";base64") else unquote_to_bytes(data))


def measured(data: str | bytes) -> dict[str, Any]:
    """`size_bytes` and `sha256` of bytes, or of what base64 text decodes to."""
    estimate = len(data) if isinstance(data, bytes) else len(data) * 3 // 4
    if estimate > HASHED_BYTES_MAX:
        return {"size_bytes": estimate}
    try:
        plain = decoded(data)
    except ValueError:
        return {"size_bytes": estimate}
    return {"size_bytes": len(plain), "sha256": hashlib.sha256(plain, usedforsecurity=False).hexdigest()}


def decoded(data: str | bytes) -> bytes:
    """The bytes of data; base64 may be of either alphabet, in lines, percent-encoded, without its padding.

    Raises ValueError for text that is no base64.
    """
    if isinstance(data, bytes):
        return data
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        text = "".join(unquote(data).split()).translate(_STANDARD).rstrip("=")
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)


def without_data_urls(value: Any) -> Any:
    """The value with the data of every `data:` URL in its strings replaced by its size and hash."""
    if isinstance(value, str):
        return _DATA_URL.sub(_describe, value) if BASE64_MARK in value else value
    if isinstance(value, Blob):
        return value
    if isinstance(value, dict):
        return {key: without_data_urls(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_data_urls(item) for item in value]
    return value


def _describe(match: re.Match[str]) -> str:
    data = match[3]
    found = measured(_JSON_ESCAPE.sub(r"\1", data) if "\\" in data else data)
    digest = f", sha256 {found['sha256']}" if "sha256" in found else ""
    return f"data:{match[1]}{match[2]}{BASE64_MARK}[{found['size_bytes']:,} bytes{digest}]"


def _mime(mime_type: Any) -> dict[str, str]:
    return {"mime_type": mime_type[:_MIME_CHARS_MAX]} if isinstance(mime_type, str) and mime_type else {}

"""The fields of a request's body: of a JSON object or of a form."""

from __future__ import annotations

import hashlib
import json
from email import message_from_bytes
from email.message import Message
from io import BufferedIOBase
from typing import Any

from .wire import Json


def read_body(body: bytes, content_type: str) -> Json | None:
    """The fields, or None where there are none to be read. A file of a form is told by name, size and hash."""
    if content_type.startswith("multipart/form-data"):
        return _read_form(body, content_type)
    try:
        request = json.loads(body)
    except ValueError:
        return None
    return request if isinstance(request, dict) else None


def _read_form(body: bytes, content_type: str) -> Json:
    message = message_from_bytes(f"content-type: {content_type}\r\n\r\n".encode() + body)
    parts = [part for part in message.walk() if not part.is_multipart()]
    return {name: _field(part) for part in parts if (name := _name(part))}


def _name(part: Message) -> str:
    return str(part.get_param("name", "", "content-disposition")).removesuffix("[]")


def _field(part: Message) -> Any:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return None
    if part.get_filename() is None:
        return data.decode(errors="replace")
    return {"filename": part.get_filename(), "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def read_sent(connection: BufferedIOBase, headers: Message) -> bytes:
    """The body of a request, of the length that its head says or in chunks."""
    if headers.get("transfer-encoding") != "chunked":
        return connection.read(int(headers.get("content-length") or 0))
    pieces = []
    while size := int(connection.readline(), 16):
        pieces.append(connection.read(size))
        connection.readline()
    connection.readline()
    return b"".join(pieces)

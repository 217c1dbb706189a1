"""What may become of a message on its way, and the readers that the keys of channels have in common."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

TIMEOUT_S: Final = 10.0


class DeliveryError(Exception):
    """It was not delivered; `after_s` is when to try again, where that was said. Its text tells no secret."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


def text_of(table: Mapping[str, Any], key: str, default: str = "") -> str:
    """A text in one line. Raises ValueError."""
    value = table.get(key, default)
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{key}: give text in one line")
    return value


def texts_of(table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of texts, or one. Raises ValueError."""
    given = table.get(key, [])
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(one, str) and one.isprintable() for one in listed):
        raise ValueError(f"{key}: give a list of texts")
    return tuple(listed)


def trust(table: Mapping[str, Any]) -> ssl.SSLContext:
    """Whom to believe: the authorities of the system, or those of `ca_file`. Raises ValueError."""
    path = text_of(table, "ca_file")
    if path and not Path(path).is_file():
        raise ValueError(f"ca_file: {path} is not there")
    try:
        return ssl.create_default_context(cafile=path or None)
    except ssl.SSLError as error:
        raise ValueError(f"ca_file: {path} holds no certificates in PEM") from error

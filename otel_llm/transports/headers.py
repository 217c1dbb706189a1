"""A request's headers in the form in which recognition wants them, whatever the library keeps them in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any


class Headers(dict[str, str]):
    """Headers by lower-case names, as text. What is deleted here is deleted in the original, if there is one.

    A plain dict, since a dozen names are looked up in it for each request of the app, to a model or not.
    """

    def __init__(self, pairs: Iterable[tuple[Any, Any]], original: MutableMapping[Any, Any] | None = None) -> None:
        super().__init__((_text(name).lower(), _text(value)) for name, value in pairs)
        self._original = original

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        if self._original is not None:
            del self._original[name]


def pairs_of(headers: Any) -> Iterable[tuple[Any, Any]]:
    """Names and values of headers as an app may give them; none from what can be read only once."""
    if isinstance(headers, Mapping):
        return headers.items()
    return headers if isinstance(headers, list | tuple) else ()


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)

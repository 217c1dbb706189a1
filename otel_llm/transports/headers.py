"""Headers in the form in which they are asked for, whatever the library keeps them in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from operator import itemgetter
from typing import Any, Final

_NAME: Final = itemgetter(0)
_VALUE: Final = itemgetter(1)


class Headers(dict[str, str]):
    """Headers by lower-case names, as text. What changes here changes in the original, if there is one.

    A plain dict, since a dozen names are looked up in it for each request of the app, to a model or not.
    """

    def __init__(self, pairs: Iterable[tuple[Any, Any]], original: MutableMapping[Any, Any] | None = None) -> None:
        super().__init__((_text(name).lower(), _text(value)) for name, value in pairs)
        self._original = original

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        if self._original is not None:
            del self._original[name]

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name, value)
        if self._original is not None:
            self._original[name] = value


class RawHeaders(Mapping[str, str]):
    """An answer's headers as they came, by lower-case names; of one that is repeated the last.

    httpx goes through all of its headers for each that is asked for.
    """

    __slots__ = ("_values",)

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._values = dict(zip(map(bytes.lower, map(_NAME, raw)), map(_VALUE, raw), strict=True))

    def __getitem__(self, name: str) -> str:
        value: bytes = self._values[name.encode()]
        return value.decode("latin-1")

    def get(self, name: str, default: Any = None, /) -> Any:
        """The header's value, or the default."""
        value = self._values.get(name.encode())
        return default if value is None else value.decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._values)

    def __len__(self) -> int:
        return len(self._values)


def pairs_of(headers: Any) -> Iterable[tuple[Any, Any]]:
    """Names and values of headers as an app may give them; none from what can be read only once."""
    if isinstance(headers, Mapping):
        return headers.items()
    return headers if isinstance(headers, list | tuple) else ()


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)

"""Values that OTLP can encode: one that it cannot would fail the whole batch that it is exported in."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.util.types import AttributeValue

_INT64_END: Final = 1 << 63
_SAFE: Final = frozenset({bool, float})


def clean(text: str) -> str:
    """The text, halves of surrogate pairs joined or, where one stands alone, replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_attributes(attributes: dict[str, AttributeValue]) -> dict[str, AttributeValue]:
    """The attributes, clean; a number that has no place in 64 bits becomes text. The same dict where all were."""
    odd: dict[str, AttributeValue] = {}
    for name, value in attributes.items():
        kind = type(value)
        if kind is str:
            if not value.isascii():  # type: ignore[union-attr]  # narrowed by the exact type, which is faster
                odd[name] = clean(value)  # type: ignore[arg-type]
        elif kind is int:
            if not -_INT64_END <= value < _INT64_END:  # type: ignore[operator]
                odd[name] = str(value)
        elif kind is tuple and _is_plain(value):
            pass
        elif kind not in _SAFE and (cleaned := _clean_value(value)) != value:
            odd[name] = cleaned
    if odd:
        attributes = {**attributes, **odd}
    if all(map(str.isascii, attributes)):
        return attributes
    return {clean(name): value for name, value in attributes.items()}


def _is_plain(value: Any) -> bool:
    try:
        return "".join(value).isascii()
    except TypeError:
        return False


def message_of(error: BaseException) -> str:
    """What an error says, clean; nothing where it cannot say it."""
    try:
        return clean(str(error))
    except Exception:
        return ""


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int) and not -_INT64_END <= value < _INT64_END:
        return str(value)
    if isinstance(value, list | tuple):
        return tuple(_clean_value(item) for item in value)
    return value

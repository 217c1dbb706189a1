"""Helicone's request headers, on the spans of HTTP instrumentations that are told to record headers."""

from __future__ import annotations

from .dialect import Accounting, Dialect, Part, Reading, Source, Span
from .values import text

_PREFIXES = ("http.request.header.helicone-", "http.request.header.helicone_")  # as it is sent; as some wrote it
_PROPERTIES = tuple(prefix + word for prefix in _PREFIXES for word in ("property-", "property_"))


def _header(name: str) -> tuple[Source, ...]:
    """A header is a list of texts by the conventions, and a text of some."""
    spelled = [_PREFIXES[0] + name, _PREFIXES[1] + name.replace("-", "_")]
    return tuple(source for one in spelled for source in (Part(one, "0"), one))


def _read_properties(span: Span, reading: Reading) -> None:
    for name, value in span.attributes.items():
        said = text(value[0] if isinstance(value, list) and value else value)
        if said and (prefix := next(filter(name.startswith, _PROPERTIES), None)):
            reading.properties.setdefault(name.removeprefix(prefix), said)


DIALECT = Dialect(
    "helicone_headers",
    "forks of Helicone/helicone at 386924fb and 6b514371, HeliconeHeaders.ts",
    mark_prefixes=_PREFIXES,
    columns={
        "session_id": _header("session-id"),
        "session_name": _header("session-name"),
        "session_path": _header("session-path"),
        "user_id": _header("user-id"),
        "prompt_name": (*_header("prompt-id"), *_header("prompt-name")),
        "prompt_version": _header("prompt-version"),
        "request_model": _header("model-override"),
    },
    accounting=Accounting.BY_PROVIDER,
    complete=(_read_properties,),
)

"""The one loop over the tables: from a span to what it says, whoever sent it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from ..usage import inclusive_input
from . import genai
from .dialect import Accounting, Dialect, Reading, Source, Span
from .messages import from_events, settle
from .names import Names
from .values import fitting, json_of, texts, value_of

_CACHE: Final = ("cache_read_tokens", "cache_write_tokens")
#: Providers whose own count of input leaves the cache out, as that of Claude does, whoever sells it.
_COUNT_APART: Final = frozenset({"anthropic", "aws.bedrock"})
#: The property of all tags, separated by commas.
_TAGS: Final = "tags"
_APART_EVERYWHERE: Final = "claude"


def read_as(dialect: Dialect, span: Span) -> Reading:
    """What a span says in a dialect. Never raises for what an attribute may hold."""
    reading = Reading(dialect.id)
    for column, places in sources(dialect).items():
        value = _first(column, places, span)
        if value is not None:
            reading.columns[column] = value
    _name_provider(dialect, reading.columns)
    _account(dialect, span, reading.columns)
    _gather_properties(dialect, span, reading)
    _gather_content(dialect, span, reading)
    for complete in dialect.complete:
        complete(span, reading)
    _name_error(span, reading.columns)
    if span.events:
        from_events(span, reading)
    settle(span, reading)
    return reading


def sources(dialect: Dialect) -> Mapping[str, tuple[Source, ...]]:
    """The dialect's own sources of each column, then those of the conventions."""
    found = _known.get(dialect.id)
    if found is None:
        shared = genai.DIALECT.columns
        found = _known[dialect.id] = {
            column: (*own, *(source for source in shared.get(column, ()) if source not in own))
            for column, own in {**shared, **dialect.columns}.items()
        }
    return found


_known: Final[dict[str, Mapping[str, tuple[Source, ...]]]] = {}


def _first(column: str, sources: tuple[Source, ...], span: Span) -> Any:
    for source in sources:
        value = value_of(source, span.attributes)
        if value is not None and (fits := fitting(column, value)) is not None:
            return fits
    return None


def _name_provider(dialect: Dialect, columns: dict[str, Any]) -> None:
    if provider := columns.get("provider"):
        columns["provider"] = provider_name(dialect, provider)


def provider_name(dialect: Dialect, provider: str) -> str:
    """The conventions' name of a provider."""
    name = provider.lower()
    return dialect.providers.get(name) or genai.PROVIDERS.get(name, name)


def _name_error(span: Span, columns: dict[str, Any]) -> None:
    """Who has no attribute for it records an exception."""
    names = (event.attributes.get("exception.type") for event in span.events if event.name == "exception")
    if "error_type" not in columns and (name := next((name for name in names if isinstance(name, str) and name), None)):
        columns["error_type"] = name
    answered = columns.get("response_model")
    if "error_type" in columns and not columns.get("output_tokens") and answered == columns.get("request_model"):
        columns["response_model"] = None  # the model that was asked for, once more


def _account(dialect: Dialect, span: Span, columns: dict[str, Any]) -> None:
    """Bring the counts to the one convention: input includes the cache, output includes reasoning."""
    accounting = dialect.accounting
    if not isinstance(accounting, Accounting):
        accounting = accounting(span, columns)
    if any(part in span.scope for part in dialect.exclusive_scopes):
        accounting = Accounting.EXCLUSIVE
    if accounting is Accounting.BY_PROVIDER:
        accounting = Accounting.MIXED if _may_count_apart(columns) else Accounting.INCLUSIVE
    asked = columns.get("input_tokens")
    read, written = (columns.get(name) for name in _CACHE)
    exceeds = asked is not None and (read or 0) + (written or 0) > asked
    if accounting is Accounting.EXCLUSIVE or (accounting is Accounting.MIXED and exceeds):
        whole = inclusive_input(asked, read, written)
        if whole is not None:
            columns["input_tokens"] = whole
    answered, thought = columns.get("output_tokens"), columns.get("reasoning_tokens")
    if dialect.output_excludes_reasoning and answered is not None and thought is not None:
        columns["output_tokens"] = answered + thought


def _may_count_apart(columns: Mapping[str, Any]) -> bool:
    """Whether an emitter that passes on what the provider says leaves the cache out."""
    provider = columns.get("provider")
    models = (columns.get(name) or "" for name in ("response_model", "request_model"))
    return provider is None or provider in _COUNT_APART or any(_APART_EVERYWHERE in model.lower() for model in models)


def _gather_properties(dialect: Dialect, span: Span, reading: Reading) -> None:
    """Metadata of the user's own: attributes below a prefix, or the members of a JSON object."""
    for prefix in dialect.properties:
        held = json_of(span.attributes.get(prefix.removesuffix(".")))
        members = dict(held) if isinstance(held, Mapping) else {}
        if prefix.endswith("."):
            below = ((name, value) for name, value in span.attributes.items() if name.startswith(prefix))
            members |= {name.removeprefix(prefix): value for name, value in below}
        for key, value in members.items():
            if isinstance(value, str | int | float):
                reading.properties.setdefault(str(key), _word(value))
    tags = (found for name in dialect.tags if (found := texts(span.attributes.get(name))))
    if found := next(tags, None):
        reading.properties.setdefault(_TAGS, ",".join(found))


def _word(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _gather_content(dialect: Dialect, span: Span, reading: Reading) -> None:
    names = content_names(dialect)
    reading.content.update(name for name in span.attributes if name in names)


def content_names(dialect: Dialect) -> Names:
    """The attributes that hold content in a dialect: its own, and those of the conventions."""
    return _names(dialect.content)


@cache
def _names(content: tuple[str, ...]) -> Names:
    return Names((*content, *genai.DIALECT.content), but=genai.NO_CONTENT)

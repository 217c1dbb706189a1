"""Every setting of ours: one row each. A keyword of `init` and `instrument`, or an environment variable.

A keyword wins over the environment, the environment over the default. The rows are also what the documentation's
table is checked against.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from otel_llm_semconv import attributes as a

from .errors import UsageError
from .failures import RAISE_ENV

_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: the keyword, its environment variable, the default as it would be written, the reader, the meaning."""

    name: str
    env: str
    default: str
    parse: Callable[[str], Any]
    doc: str


def _flag(value: str) -> bool:
    word = value.strip().lower()
    if word not in _TRUE + _FALSE:
        raise ValueError("not true or false")
    return word in _TRUE


def _positive(value: str) -> int:
    found = int(value)
    if found <= 0:
        raise ValueError("not above zero")
    return found


def _names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


def pairs(value: str) -> dict[str, str]:
    """`name=value` pairs, separated by commas."""
    pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
    if any(not equals or not name.strip() or not meant.strip() for name, equals, meant in pairs):
        raise ValueError("not name=value, separated by commas")
    return {name.strip(): meant.strip() for name, _, meant in pairs}


def _hosts(value: str) -> dict[str, str]:
    """`host=provider` pairs; a host that starts with a dot stands for all hosts below it."""
    return {host.lower(): provider for host, provider in pairs(value).items()}


SETTINGS: Final = (
    Setting(
        "baggage_accept",
        "OTEL_LLM_BAGGAGE_ACCEPT",
        "false",
        _flag,
        "Take session, user, properties and prompt over from the W3C baggage of requests that come in: docs/context.md",
    ),
    Setting(
        "baggage_hosts",
        "OTEL_LLM_BAGGAGE_HOSTS",
        "",
        _names,
        "Hosts of your own services that get them along: billing.internal,*.svc.local,.corp.example; never a provider",
    ),
    Setting(
        "capture_content",
        a.OPT_IN_CONTENT_ENV,
        "NO_CONTENT",
        str,
        "Record prompts and answers: SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT",
    ),
    Setting(
        "content_bytes_max",
        "OTEL_LLM_CONTENT_BYTES_MAX",
        "65536",
        _positive,
        "Bytes of one content attribute; longer content is cut, says where, and stays valid JSON",
    ),
    Setting(
        "content_upload",
        "OTEL_LLM_CONTENT_UPLOAD",
        "",
        str,
        "Folder, or URL that fsspec knows (s3://bucket/prompts), where content is kept whole; spans carry the links",
    ),
    Setting(
        "content_upload_binary",
        "OTEL_LLM_CONTENT_UPLOAD_BINARY",
        "false",
        _flag,
        "Keep images, audio and documents there too; they are not redacted",
    ),
    Setting("contracts", "OTEL_LLM_CONTRACTS", "", str, "File of contract prices, for the collector: docs/prices.md"),
    Setting("data", "OTEL_LLM_DATA", "./otel-llm-data", str, "Data directory of the collector and of every query"),
    Setting(
        "deployments",
        "OTEL_LLM_DEPLOYMENTS",
        "",
        pairs,
        "Azure deployments and the models behind them, as name=model pairs: chat-prod=gpt-4o",
    ),
    Setting(
        "estimate_usage",
        "OTEL_LLM_ESTIMATE_USAGE",
        "false",
        _flag,
        "Estimate tokens by the length of the texts where a provider reported none, marked as estimated",
    ),
    Setting("endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318", str, "Base URL of the collector"),
    Setting(
        "exit_ms_max",
        "OTEL_LLM_EXIT_MS_MAX",
        "1200",
        _positive,
        "Milliseconds that the end of the process may wait for the collector; what is left is dropped and counted",
    ),
    Setting(
        "follow_threads",
        "OTEL_LLM_FOLLOW_THREADS",
        "true",
        _flag,
        "Hand session, user, step and all of the OpenTelemetry context on to threads, executors and thread pools",
    ),
    Setting(
        "hosts",
        "OTEL_LLM_HOSTS",
        "",
        _hosts,
        "Hosts of yours that serve models, as host=provider pairs: llm.example.com=openai,.corp.example=anthropic",
    ),
    Setting(
        "http_spans",
        "OTEL_LLM_HTTP_SPANS",
        "false",
        _flag,
        "Keep the span that an HTTP instrumentor makes below each call; it repeats the call's time",
    ),
    Setting(
        "include_usage",
        "OTEL_LLM_INCLUDE_USAGE",
        "false",
        _flag,
        "Ask OpenAI-compatible servers for the usage of streams; the chunk that brings it is hidden from the app",
    ),
    Setting(
        "inherit_attributes",
        "OTEL_LLM_INHERIT_ATTRIBUTES",
        "true",
        _flag,
        "Take session, user, prompt and bare-named attributes over from the span around a call",
    ),
    Setting(
        "metric_properties",
        "OTEL_LLM_METRIC_PROPERTIES",
        "",
        _names,
        "Properties that become attributes of every metric, separated by commas; each value is a time series more",
    ),
    Setting(
        "prices",
        "OTEL_LLM_PRICES",
        "",
        str,
        "File of the price list; unset: ~/.config/otel-llm/prices.json if it is there, else the one of genai-prices",
    ),
    Setting(
        "raise_errors",
        RAISE_ENV,
        "false",
        _flag,
        "Raise faults of ours instead of counting them: for tests of otel-llm",
    ),
    Setting(
        "redact",
        "OTEL_LLM_REDACT",
        "",
        str,
        "Regular expressions, one a line or between `;;`: what they match in content becomes [redacted]",
    ),
    Setting(
        "redact_with",
        "OTEL_LLM_REDACT_WITH",
        "",
        str,
        "Function of yours, module:function, that is given each text of content and answers what may be recorded",
    ),
    Setting("service_name", "OTEL_SERVICE_NAME", "unknown_service", str, "Name of the app, in `init` only"),
)
_BY_NAME: Final = {row.name: row for row in SETTINGS}


class Settings:
    """Values by name, read once: `Settings({"http_spans": True}).http_spans`.

    Raises UsageError for a keyword that is no setting, or a value that cannot be read.
    """

    baggage_accept: bool
    baggage_hosts: tuple[str, ...]
    capture_content: str
    content_bytes_max: int
    content_upload: str
    content_upload_binary: bool
    contracts: str
    data: str
    endpoint: str
    exit_ms_max: int
    deployments: dict[str, str]
    estimate_usage: bool
    follow_threads: bool
    hosts: dict[str, str]
    http_spans: bool
    include_usage: bool
    inherit_attributes: bool
    metric_properties: tuple[str, ...]
    prices: str
    raise_errors: bool
    redact: Any  # a text, or a list of texts and compiled expressions
    redact_with: Any  # a text, or the function
    service_name: str

    def __init__(self, given: Mapping[str, Any] | None = None) -> None:
        given = given or {}
        for name in given:
            if name not in _BY_NAME:
                raise UsageError(_unknown(name))
        for row in SETTINGS:
            value = _from_keyword(row, given[row.name]) if row.name in given else _from_environment(row)
            setattr(self, row.name, value)


def _from_environment(row: Setting) -> Any:
    written = os.environ.get(row.env, "").strip()
    try:
        return row.parse(written or row.default)
    except ValueError as error:
        raise UsageError(f"{row.env}={written!r}: {error}. It is: {row.doc}") from error


def _from_keyword(row: Setting, given: Any) -> Any:
    """A text is read as in the environment; a value of Python's has to be of the kind that the setting has."""
    if given is None:
        return _from_environment(row)
    try:
        if isinstance(given, str):
            return row.parse(given.strip() or row.default)
        return _KINDS.get(row.parse, _text)(given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{row.name}={given!r}: {error}. It is: {row.doc}") from error


def _text(given: Any) -> Any:
    """What says itself as text; a list of patterns or a function stays what it is."""
    if isinstance(given, os.PathLike):
        return os.fspath(given)
    return str(given) if isinstance(given, bool) else given


def _truth(given: Any) -> bool:
    if not isinstance(given, bool | int):
        raise TypeError("not true or false")
    return bool(given)


def _count(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError("no whole number")
    return _positive(str(given))


def _several(given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | tuple | set | frozenset) or not all(isinstance(name, str) for name in given):
        raise TypeError("no list of names")
    return tuple(given)


def _mapping(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping) or not all(isinstance(text, str) for pair in given.items() for text in pair):
        raise TypeError("no mapping of names")
    return dict(given)


def _mapping_of_hosts(given: Any) -> dict[str, str]:
    return {host.lower(): provider for host, provider in _mapping(given).items()}


#: How a value that is no text is read, by how a text is.
_KINDS: Final[Mapping[Callable[[str], Any], Callable[[Any], Any]]] = {
    _flag: _truth,
    _positive: _count,
    _names: _several,
    pairs: _mapping,
    _hosts: _mapping_of_hosts,
}


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _BY_NAME, n=1)
    return f"unknown setting {name!r}" + (f", did you mean {near[0]!r}?" if near else f": one of {', '.join(_BY_NAME)}")

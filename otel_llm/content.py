"""Prompts and answers, only where they were asked for: from the reader's lists to what a span or an event carries.

The order is fixed: redact (`redaction.py`), store the whole (`upload.py`), replace inline data and cut
(`binary.py`, `truncation.py`). Whatever fails leaves the content out: it is never recorded unredacted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Mapping
from enum import Enum
from functools import cached_property, partial
from importlib.metadata import version
from typing import Any, Final, Protocol

from opentelemetry import _logs, trace
from opentelemetry._logs import Logger, LoggerProvider
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span
from opentelemetry.util.types import AnyValue, AttributeValue

from otel_llm_semconv import attributes as a

from .binary import BASE64_MARK, Blob, decoded, without_data_urls
from .events import leads_somewhere
from .finisher import finisher
from .redaction import Redactor, read_hook, read_patterns
from .truncation import bounded, dump
from .upload import Uploader, open_uploader
from .wire import Content

_REFERENCES: Final = {
    # content attribute: its reference, the end of the file's name, and whether the content names the file
    a.INPUT_MESSAGES: (a.INPUT_MESSAGES_REF, "inputs", False),
    a.OUTPUT_MESSAGES: (a.OUTPUT_MESSAGES_REF, "outputs", False),
    a.SYSTEM_INSTRUCTIONS: (a.SYSTEM_INSTRUCTIONS_REF, "system_instruction", True),
    a.TOOL_DEFINITIONS: (a.TOOL_DEFINITIONS_REF, "tool.definitions", True),
}
_BYTES_MIN: Final = 2
_EVENT_DEPTH_MAX: Final = 24  # OTLP takes three levels of a message for one of ours, protobuf parses a hundred
_INT64_END: Final = 1 << 63
_FLUSH_S_MIN: Final = 0.2
_NO_WAY: Final = (
    "content as events leads nowhere: set OTEL_LOGS_EXPORTER=otlp, or give instrument() a logger_provider; "
    "SPAN_ONLY puts content on spans"
)
_logger = logging.getLogger("otel_llm")
_warned: set[str] = set()


class Mode(Enum):
    """Where content goes: the values of the conventions' variable."""

    NO_CONTENT = (False, False)
    SPAN_ONLY = (True, False)
    EVENT_ONLY = (False, True)
    SPAN_AND_EVENT = (True, True)

    @property
    def on_span(self) -> bool:
        """True where spans carry content."""
        return self.value[0]

    @property
    def on_event(self) -> bool:
        """True where the event of the operation's details is emitted."""
        return self.value[1]


def read_mode(written: str) -> Mode:
    """The mode that is meant. `true`, which older guides name, is SPAN_ONLY and warns once, as does what is unknown."""
    word = written.strip().upper()
    if word == "TRUE":
        _warn_once(f"{a.OPT_IN_CONTENT_ENV}=true is read as SPAN_ONLY; write that instead")
        return Mode.SPAN_ONLY
    if word in Mode.__members__:
        return Mode[word]
    if word not in ("", "FALSE"):
        modes = ", ".join(Mode.__members__)
        _warn_once(f"{a.OPT_IN_CONTENT_ENV}={written} is unknown, no content is recorded: use one of {modes}")
    return Mode.NO_CONTENT


class ContentSettings(Protocol):
    """The rows of `settings.py` that content needs."""

    capture_content: str
    content_bytes_max: int
    content_upload: str
    content_upload_binary: bool
    exit_ms_max: int
    redact: Any
    redact_with: Any


class Capture:
    """What happens to content: one object for all calls. Raises UsageError for settings that cannot be."""

    def __init__(self, settings: ContentSettings, logger_provider: LoggerProvider | None = None) -> None:
        self.mode = read_mode(settings.capture_content)
        self._bytes_max = max(_BYTES_MIN, settings.content_bytes_max)
        self._exit_s_max = settings.exit_ms_max / 1000
        self._logger_provider = logger_provider
        self.redactor: Final = _redactor(settings)
        self._uploader = open_uploader(settings.content_upload)
        self._uploads_binary = settings.content_upload_binary
        self.on_span: Final = self.mode.on_span  # spans carry content
        self.on_event: Final = self.mode.on_event  # `emit` emits
        self.reads: Final = self.on_span or self.on_event or self._uploader is not None  # content has to be read at all

    def attributes(self, content: Content) -> dict[str, AttributeValue]:
        """What a span carries of the content: JSON texts, references to what was stored, the names of what was cut.
        All of it can be encoded.

        Raises whatever a hook of the user's raises; nothing of the content is recorded or stored then.
        """
        if not self.on_span and self._uploader is None:
            return {}
        found: dict[str, AttributeValue] = {}
        lists = self._lists(content)
        if self._uploader is not None:
            lists = self._store(self._uploader, lists, found)
        if self.on_span:
            found.update(_write(lists, self._bytes_max, is_json=self.redactor is None))
        return found

    def text(self, value: Any) -> str | None:
        """Arguments or a result, of a tool say, as a span carries it: redacted, JSON within the limit.

        None where spans carry no content. Raises whatever a hook of the user's raises.
        """
        if not self.on_span or (self.redactor is not None and self.redactor.is_running):
            return None
        return bounded(value if self.redactor is None else self.redactor.redact(value), self._bytes_max)[0]

    def emit(self, span: Span, content: Content, attributes: Mapping[str, AttributeValue]) -> None:
        """Emit the event of a call that is about to end, with what its span carries and the content as structures.

        `attributes` may hold what `attributes()` has answered for the same content, which is then not made again.
        """
        if not self.on_event:
            return
        if not leads_somewhere(self._logger, a.OPERATION_DETAILS):
            _warn_once(_NO_WAY)
            return
        known = {**_attributes_of(span), **attributes}
        if not any(name in attributes for name in a.CONTENT):
            known.update(_write(self._lists(content), self._bytes_max))
        if any(name in known for name in a.CONTENT):
            self._logger.emit(
                timestamp=time.time_ns(),
                context=trace.set_span_in_context(span, Context()),
                event_name=a.OPERATION_DETAILS,
                attributes={name: _structured(name, value) for name, value in known.items()},
            )

    def flush(self, timeout_s: float) -> bool:
        """Wait until what was handed to the upload is stored, at most that long; True where it is."""
        return self._uploader is None or self._uploader.flush(timeout_s)

    def close(self) -> None:
        """The end of the process, or of the instrumentation: store what waits, within half of what an end may take."""
        if self._uploader is not None:
            self._uploader.close(max(_FLUSH_S_MIN, self._exit_s_max / 2 - finisher.exit_spent_s))

    @cached_property
    def _logger(self) -> Logger:
        return _logs.get_logger(a.SCOPE_APP, version("otel-llm"), self._logger_provider, a.SCHEMA_URL)

    def _lists(self, content: Content) -> dict[str, list[Any]]:
        """The lists that there are, redacted. None inside a redaction hook, whose own calls see the original."""
        found = _named(content)
        if self.redactor is None:
            return found
        if self.redactor.is_running:
            return {}
        return {name: self.redactor.redact(value) for name, value in found.items()}

    def _store(
        self, uploader: Uploader, lists: dict[str, list[Any]], found: dict[str, AttributeValue]
    ) -> dict[str, list[Any]]:
        """Hand the lists to the uploader whole, and put the references into `found`. Answers the lists as stored."""
        if self._uploads_binary:
            lists = {name: _with_links(value, uploader) for name, value in lists.items()}
        call = uuid.uuid4().hex
        for name, value in lists.items():
            text = dump(value)
            if BASE64_MARK in text:
                text = dump(without_data_urls(value))
            reference, ending, is_shared = _REFERENCES[name]
            stem = hashlib.sha256(text.encode(), usedforsecurity=False).hexdigest() if is_shared else call
            url = uploader.put(f"{stem}_{ending}.json", text.encode, len(text), once=is_shared)
            if url is not None:
                found[reference] = url
        return lists


def is_captured(mode: str) -> bool:
    """True where the mode puts content on spans."""
    return read_mode(mode).on_span


def bounded_json(value: Any, bytes_max: int) -> str:
    """The value as JSON of at most `bytes_max` bytes."""
    return bounded(value, max(_BYTES_MIN, bytes_max))[0]


def content_attributes(content: Content, bytes_max: int) -> dict[str, AttributeValue]:
    """The content attributes of a span, each a JSON text of at most `bytes_max` bytes."""
    return _write(_named(content), max(_BYTES_MIN, bytes_max))


def _redactor(settings: ContentSettings) -> Redactor | None:
    patterns, hook = read_patterns(settings.redact or ()), read_hook(settings.redact_with)
    return Redactor(patterns, hook) if patterns or hook is not None else None


def _named(content: Content) -> dict[str, list[Any]]:
    found = {
        a.INPUT_MESSAGES: content.input_messages,
        a.OUTPUT_MESSAGES: content.output_messages,
        a.SYSTEM_INSTRUCTIONS: content.system_instructions,
        a.TOOL_DEFINITIONS: content.tool_definitions,
    }
    return {name: value for name, value in found.items() if value is not None}


def _write(lists: Mapping[str, list[Any]], bytes_max: int, *, is_json: bool = False) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    truncated: list[str] = []
    for name, value in lists.items():
        found[name], was_cut = bounded(value, bytes_max, is_json=is_json)
        if was_cut:
            truncated.append(name)
    if truncated:
        found[a.CONTENT_TRUNCATED] = truncated
    return found


def _with_links(value: Any, uploader: Uploader) -> Any:
    """The value with every blob stored and a link in its place; one that cannot be stored stays a blob."""
    if isinstance(value, Blob):
        digest = value.get("sha256")
        url = digest and uploader.put(
            _file_name(digest, value), partial(decoded, value.data), len(value.data), once=True
        )
        if not url:
            return value
        return {**{key: item for key, item in value.items() if key != "content"}, "type": "uri", "uri": url}
    if isinstance(value, dict):
        return {key: _with_links(item, uploader) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_links(item, uploader) for item in value]
    return value


def _file_name(digest: str, part: Blob) -> str:
    subtype = str(part.get("mime_type", "")).partition("/")[2].lower()
    return f"{digest}.{subtype if subtype.isascii() and subtype.isalnum() else 'bin'}"


def _attributes_of(span: Span) -> dict[str, Any]:
    """What the span carries, but for content, which may be somebody else's and not redacted."""
    found = (span.attributes or {}) if isinstance(span, ReadableSpan) else {}
    return {name: value for name, value in found.items() if name not in a.CONTENT}


def _structured(name: str, value: Any) -> AnyValue:
    return _event_value(json.loads(value), 0) if name in a.CONTENT and isinstance(value, str) else value


def _event_value(value: Any, depth: int) -> AnyValue:
    """JSON as an event may carry it: whole numbers of 64 bits, names that are not empty, not too deep."""
    if isinstance(value, dict | list) and depth >= _EVENT_DEPTH_MAX:
        return dump(value)
    if isinstance(value, dict):
        return {key or "_": _event_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_event_value(item, depth + 1) for item in value]
    if isinstance(value, int) and not -_INT64_END <= value < _INT64_END:
        return str(value)
    return value  # type: ignore[no-any-return]  # text, a number or nothing


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        _logger.warning(message)

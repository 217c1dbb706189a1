"""Prompts and answers, only where they were asked for: whether to capture, and how to bound what is captured."""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from opentelemetry.util.types import AttributeValue

from otel_llm_semconv import attributes as a

from .wire import Content

_ON: Final = frozenset({"SPAN_ONLY", "SPAN_AND_EVENT", "TRUE"})
_KNOWN: Final = _ON | {"NO_CONTENT", "EVENT_ONLY", "FALSE", ""}
_CUT: Final = "… [cut]"
_STRING_CHARS_MIN: Final = 16
_logger = logging.getLogger("otel_llm")
_warned: set[str] = set()


def is_captured(mode: str) -> bool:
    """True where the mode puts content on spans. `true`, which older guides name, means SPAN_ONLY and warns once."""
    word = mode.strip().upper()
    if word == "TRUE":
        _warn_once(word, f"{a.OPT_IN_CONTENT_ENV}=true is read as SPAN_ONLY; write that instead")
    elif word not in _KNOWN:
        _warn_once(word, f"{a.OPT_IN_CONTENT_ENV}={mode} is unknown, no content is recorded: use SPAN_ONLY")
    return word in _ON


def content_attributes(content: Content, bytes_max: int) -> dict[str, AttributeValue]:
    """The content attributes of a span, each a JSON string of at most `bytes_max` bytes."""
    found: dict[str, AttributeValue] = {}
    for name, value in (
        (a.SYSTEM_INSTRUCTIONS, content.system_instructions),
        (a.INPUT_MESSAGES, content.input_messages),
        (a.OUTPUT_MESSAGES, content.output_messages),
        (a.TOOL_DEFINITIONS, content.tool_definitions),
    ):
        if value is not None:
            found[name] = bounded_json(value, bytes_max)
    return found


def bounded_json(value: Any, bytes_max: int) -> str:
    """The value as JSON within the limit: long strings are cut first, then the oldest items of a list are left out."""
    written = _dump(value)
    if _fits(written, bytes_max):
        return written
    chars = bytes_max // 2
    while chars >= _STRING_CHARS_MIN:
        written = _dump(_cut_strings(value, chars))
        if _fits(written, bytes_max):
            return written
        chars //= 2
    return _keep_newest(value, bytes_max)


def _keep_newest(value: Any, bytes_max: int) -> str:
    kept = [_cut_strings(item, _STRING_CHARS_MIN) for item in value] if isinstance(value, list) else []
    while kept:
        kept = kept[(len(kept) + 1) // 2 :]
        written = _dump(kept)
        if _fits(written, bytes_max):
            return written
    return "[]"


def _cut_strings(value: Any, chars: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= chars else value[:chars] + _CUT
    if isinstance(value, dict):
        return {key: _cut_strings(item, chars) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut_strings(item, chars) for item in value]
    return value


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _fits(written: str, bytes_max: int) -> bool:
    """Cheap for what is clearly short: a character is at most four bytes."""
    return len(written) * 4 <= bytes_max or len(written.encode("utf-8", "surrogatepass")) <= bytes_max


def _warn_once(word: str, message: str) -> None:
    if word not in _warned:
        _warned.add(word)
        _logger.warning(message)

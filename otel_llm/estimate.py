"""Opt-in: a rough count of tokens where a provider reported none, marked as an estimate wherever it is shown.

Four bytes of text are taken for a token: about right for English, a third too low for code, far off for other scripts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from otel_llm_semconv.usage import Usage

from .wire import Content

BYTES_PER_TOKEN: Final = 4


def estimate(content: Content) -> Usage:
    """Input and output tokens by the length of the texts; no count for what there is nothing of."""
    asked = [content.system_instructions, content.input_messages, content.tool_definitions]
    return Usage(input_tokens=_tokens(asked), output_tokens=_tokens([content.output_messages]))


def _tokens(parts: Iterable[Any]) -> int | None:
    size = sum(map(_bytes_of, parts))
    return -(-size // BYTES_PER_TOKEN) or None


def _bytes_of(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, list | tuple):
        return sum(map(_bytes_of, value))
    if isinstance(value, dict):
        return sum(_bytes_of(item) for key, item in value.items() if key not in _MARKS)
    return 0


#: Keys of the message schema whose texts say what a part is, not what it says.
_MARKS: Final = frozenset({"type", "role", "finish_reason", "id", "modality", "mime_type", "sha256", "generic_type"})

"""What the collector says of itself."""

from __future__ import annotations

from typing import Final

from .option import Option
from .values import one_of

_LEVELS: Final = ("debug", "info", "warning", "error")
_FORMATS: Final = ("text", "json")

SAYING: Final = (
    Option(
        "log_level",
        "OTEL_LLM_COLLECTOR_LOG_LEVEL",
        "warning",
        one_of(_LEVELS),
        "|".join(_LEVELS),
        True,
        "What is said on stderr. Nothing of what was sent ever is",
    ),
    Option(
        "log_format",
        "OTEL_LLM_COLLECTOR_LOG_FORMAT",
        "text",
        one_of(_FORMATS),
        "|".join(_FORMATS),
        True,
        "Lines for people, or one JSON object each",
    ),
)

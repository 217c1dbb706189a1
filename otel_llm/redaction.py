"""What must not be recorded is replaced in every text of the content, before anything else is done with it.

Texts are the values in messages, tool arguments, results and definitions, at any depth, and those inside a text that
is JSON itself; not keys, and not the words of the message schema (`user`, `text`, `tool_call` ...). An integer of six
digits or more counts as a text. So is what errors say, which may repeat what was asked.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from .binary import Blob
from .errors import UsageError
from .failures import swallow
from .truncation import dump, plain

REDACTED: Final = "[redacted]"
#: A longer text is replaced as a whole: no regular expression of anybody's runs for seconds in the app's thread.
TEXT_CHARS_MAX: Final = 1_000_000
_NUMBER_MIN: Final = 100_000
_SEPARATOR: Final = re.compile(r"\n|;;")
#: Roles, modalities, reasons and kinds of the message schema: never anything that somebody has to hide.
_WORDS: Final = frozenset(
    (
        *("system", "user", "assistant", "tool"),
        *("image", "video", "audio", "document"),
        *("stop", "length", "content_filter", "tool_call", "compaction", "error"),
        *("text", "reasoning", "blob", "file", "uri", "generic", "function"),
        *("tool_call_response", "server_tool_call", "server_tool_call_response"),
    )
)

#: Given a text, answers what may be recorded of it; None is `[redacted]`.
Hook = Callable[[str], str | None]


def read_patterns(given: str | Iterable[str | re.Pattern[str]]) -> tuple[re.Pattern[str], ...]:
    """Regular expressions from a list, or from a text with one a line or between `;;`.

    Raises UsageError for one that is none, or that matches the empty text and so would match everywhere.
    """
    written = _SEPARATOR.split(given) if isinstance(given, str) else list(given)
    return tuple(_read_pattern(one) for one in written if not isinstance(one, str) or one.strip())


def _read_pattern(given: str | re.Pattern[str]) -> re.Pattern[str]:
    try:
        pattern = re.compile(given.strip()) if isinstance(given, str) else given
        if pattern.search("") is None:
            return pattern
        reason = "it matches the empty text"
    except (AttributeError, TypeError, re.error) as error:
        reason = str(error)
    raise UsageError(f"redact={getattr(given, 'pattern', given)!r} is no usable regular expression: {reason}")


def read_hook(given: Hook | str | None) -> Hook | None:
    """A function, or its name as `module:function`, which is imported when it is first needed.

    Raises UsageError for what is neither.
    """
    if not given:
        return None
    if isinstance(given, str):
        return _Named(given)
    if not callable(given):
        raise UsageError(f"redact_with={given!r} is neither a function nor written module:function")
    return given


class Redactor:
    """Replaces what the patterns match by `[redacted]`, then asks the hook. A fault of the hook is the caller's."""

    def __init__(self, patterns: tuple[re.Pattern[str], ...], hook: Hook | None) -> None:
        self._patterns = patterns
        self._hook = hook
        self._running = threading.local()

    @property
    def is_running(self) -> bool:
        """True inside the hook: a model that it calls itself sees what must not be recorded."""
        return getattr(self._running, "on", False)

    def redact(self, value: Any) -> Any:
        """A copy of the value with its texts replaced. Raises whatever the hook raises."""
        self._running.on = True
        try:
            return self._redact(value)
        finally:
            self._running.on = False

    def _redact(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if value in _WORDS else self._redact_text(value)
        if value is None or isinstance(value, bool | int | float | Blob):
            return self._redact_number(value) if type(value) is int else value
        if isinstance(value, dict):
            return {key: self._redact(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._redact(item) for item in value]
        return self._redact(plain(value))

    def _redact_number(self, number: int) -> int | str:
        text = str(number)
        if abs(number) < _NUMBER_MIN or text == (redacted := self._redact_text(text)):
            return number
        return redacted

    def _redact_text(self, text: str) -> str:
        if len(text) > TEXT_CHARS_MAX:
            return f"[redacted: {len(text):,} characters are too long to search]"
        text = self._redact_json(text)
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        if self._hook is None:
            return text
        answer = self._hook(text)
        if answer is None:
            return REDACTED
        if not isinstance(answer, str):
            raise TypeError(f"redact_with answered a {type(answer).__name__}, not a text")
        return answer

    def _redact_json(self, text: str) -> str:
        """Escapes hide from a pattern what the text inside says: `\\u00e9`."""
        if text[:1] not in ("{", "[") or "\\" not in text:
            return text
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        redacted = self._redact(value)
        return text if redacted == value else dump(redacted)


_in_use: Final[list[Redactor]] = []  # none or one


def use(redactor: Redactor | None) -> None:
    """Have what errors say redacted by this one; None leaves it as it is."""
    _in_use[:] = [] if redactor is None else [redactor]


def redacted(message: str) -> str:
    """What may be recorded of an error's message or its stack: all of it where nothing is redacted."""
    if not _in_use or not message:
        return message
    redactor = _in_use[0]
    try:
        return REDACTED if redactor.is_running else str(redactor.redact(message))
    except Exception as error:
        swallow("redacting an error", error)
        return REDACTED


class _Named:
    """The function of a `module:function`."""

    def __init__(self, name: str) -> None:
        self._module, colon, self._path = name.strip().partition(":")
        if not (self._module and colon and self._path):
            raise UsageError(f"redact_with={name!r} is not written module:function")
        self._found: Hook | None = None

    def __call__(self, text: str) -> str | None:
        if self._found is None:
            self._found = attrgetter(self._path)(_module(self._module))
        return self._found(text)


def _module(name: str) -> Any:
    """The module; the program itself where it is that file, which a second import would run once more."""
    main = sys.modules.get("__main__")
    is_main = name not in sys.modules and Path(getattr(main, "__file__", None) or "").stem == name
    return main if is_main else import_module(name)

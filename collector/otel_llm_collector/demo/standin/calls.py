"""The log: what was sent, one JSON line a response."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

_KEPT_MAX: Final = 100_000
_SECRET: Final = frozenset(
    {
        "api-key",
        "authorization",
        "cookie",
        "sec-websocket-protocol",
        "x-amz-security-token",
        "x-api-key",
        "x-goog-api-key",
    }
)


@dataclass(slots=True)
class Call:
    """One response, as the log has it. `usage` is what the client was told, to the letter; None if nothing was."""

    time: str  # ISO 8601, UTC
    provider: str
    endpoint: str
    request_id: str
    request_model: str | None
    stream: bool
    status: int  # 0: the connection ended without an answer
    method: str = "POST"
    fault: str | None = None  # kind of failure, or `client_gone`
    id: str | None = None  # response id, None where none was sent
    model: str | None = None
    usage: dict[str, Any] | None = None
    tokens: dict[str, int] | None = None  # what was billed, in the convention of `tokens.py`; None if nothing was
    user: Any = None
    metadata: Any = None
    headers: list[tuple[str, str]] = field(default_factory=list)  # of the request, keys and tokens masked
    target: str | None = None  # path with its query, and what was posted there, where requests are kept
    body: str | None = None


def masked(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Headers with lower-case names, credentials replaced."""
    return [(name.lower(), "***" if name.lower() in _SECRET else value) for name, value in headers]


class CallLog:
    """Appends calls to a file, a line each and flushed, and keeps the latest in memory. Safe across threads."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Call] = deque(maxlen=_KEPT_MAX)
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")

    def write(self, call: Call) -> None:
        """Append one call."""
        line = json.dumps(asdict(call)) + "\n"
        with self._lock:
            self._kept.append(call)
            if self._file is not None:
                self._file.write(line)
                self._file.flush()

    def calls(self) -> list[Call]:
        """The calls written so far, oldest first."""
        with self._lock:
            return list(self._kept)

    def close(self) -> None:
        """Close the file. Calls stay readable."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

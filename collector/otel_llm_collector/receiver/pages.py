"""What others than senders ask the HTTP door: is it alive, does it take requests, what has it done?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST

from .connection import Answer
from .intake import Intake
from .telemetry import Telemetry

_JSON: Final = ((b"content-type", b"application/json"),)
_TEXT: Final = ((b"content-type", CONTENT_TYPE_LATEST.encode()),)


@dataclass(frozen=True, slots=True)
class Page:
    """What answers a GET, and whether it is for those alone who have a token, if there are any."""

    answer: Callable[[], Answer]
    is_private: bool = False


class Pages:
    """The pages of a receiver. `is_stopping` is set when it takes nothing new."""

    def __init__(self, intake: Intake, telemetry: Telemetry) -> None:
        self._intake = intake
        self._telemetry = telemetry
        self.is_stopping = False
        self.by_path: Mapping[str, Page] = {
            "/health": Page(self._health),
            "/ready": Page(self._ready),
            "/metrics": Page(self._metrics, is_private=True),
        }

    def _health(self) -> Answer:
        """The process lives and its event loop turns."""
        return _say(200, {"status": "ok", "version": version("otel-llm")})

    def _ready(self) -> Answer:
        """Requests are taken now."""
        why = "the collector is stopping" if self.is_stopping else self._intake.room.why
        return _say(503, {"ready": False, "why": why}) if why else _say(200, {"ready": True})

    def _metrics(self) -> Answer:
        return Answer(200, self._telemetry.text(), _TEXT)


def _say(status: int, said: Mapping[str, object]) -> Answer:
    return Answer(status, json.dumps(said).encode(), _JSON)

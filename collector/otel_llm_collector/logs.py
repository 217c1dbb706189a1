"""What a process of the collector says on stderr: a line for people, or a JSON object. Never what was sent to it."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from .options import Config


class _JsonLines(logging.Formatter):
    """One object a line: time, level, process, message, and where there is one the place of a fault."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            said["fault"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def speak(process: str, config: Config) -> None:
    """Log as the configuration says from now on."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter(f"otel-llm {process}: %(message)s")
    handler.setFormatter(_JsonLines(process) if config.log_format == "json" else plain)
    logging.basicConfig(level=config.log_level.upper(), handlers=[handler], force=True)

"""What a process of the collector says on stderr: a line for people, or a JSON object. Never what was sent to it."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Final

from .options import Config

_LOG = logging.getLogger(__name__)
#: Ours, and modules that are run as programs; what libraries tell for their own developers is nobody's here.
_OURS: Final = ("__main__", "otel_llm", "otel_llm_collector", "otel_llm_semconv")
#: gRPC writes to stderr by itself, a line for each client that fails at TLS, and never an object.
QUIET_ENV: Final = {"GRPC_VERBOSITY": "NONE"}


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
    level = logging.getLevelNamesMapping()[config.log_level.upper()]
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    is_json = config.log_format == "json"
    sys.excepthook = _tell_end if is_json else sys.__excepthook__
    threading.excepthook = _tell_thread_end if is_json else threading.__excepthook__


def _tell_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A fault that ends the process is a line as any other."""
    _LOG.critical("this process ends by a fault: %s", kind.__name__, exc_info=(kind, error, trace))


def _tell_thread_end(ended: threading.ExceptHookArgs) -> None:
    """So is one that ends a thread."""
    if ended.exc_value is not None:
        fault = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        _LOG.critical("a thread ends by a fault: %s", ended.exc_type.__name__, exc_info=fault)

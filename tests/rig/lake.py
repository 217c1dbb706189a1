"""A journal filled by hand, and how many rows became of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from otel_llm_collector import journal
from rig import otlp


def store(data: Path, *requests: Any) -> None:
    """Put requests into a closed segment, as the receiver does."""
    writer = journal.Writer(data)
    payloads = [request.SerializeToString() for request in requests]
    writer.append([(journal.frame_header(journal.TRACES, time.time_ns(), payload), payload) for payload in payloads])
    writer.rotate()


def count(data: Path, table: str = "spans") -> int:
    return otlp.rows(data, "SELECT count(*) n FROM t", table)[0]["n"]

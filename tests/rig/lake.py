"""A journal filled by hand, and how many rows became of it."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from otel_llm_collector import journal
from otel_llm_collector.signals import SIGNALS
from otel_llm_collector.upkeep import Upkeep
from rig import otlp


def store(data: Path, *requests: Any, tenant: str = "") -> None:
    """Put requests into a closed segment, as the receiver does."""
    writer = journal.Writer(data)
    payloads = [request.SerializeToString() for request in requests]
    kinds = {signal.request: signal.kind for signal in SIGNALS.values()}
    heads = [
        journal.frame_header(kinds[type(request)], time.time_ns(), payload, tenant)
        for request, payload in zip(requests, payloads, strict=True)
    ]
    writer.append(list(zip(heads, payloads, strict=True)))
    writer.rotate()


def count(data: Path, table: str = "spans") -> int:
    return otlp.rows(data, "SELECT count(*) n FROM t", table)[0]["n"]


def merge(data: Path, now_s: float = math.inf) -> Upkeep:
    """Merge what is to be merged at a time, by default one when all dates are over; what it replaced stays until it is
    closed."""
    upkeep = Upkeep(data, clock=lambda: now_s)
    while upkeep.step():
        pass
    return upkeep

"""Asks a running collector how it is, by its own pages: is it there, does it take requests, has it lost anything?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from ..errors import UsageError
from .checks import Result
from .door import HEADERS, Door
from .finding import Finding, note, ok, problem

#: Journal that waits so long is not converted any more.
_LAG_S_MAX: Final = 30.0
_SAMPLE: Final = re.compile(r"^otel_llm_collector_(\w+?)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_TOPIC: Final = "collector"

#: Why requests were refused -> what to do; what is not here is not a matter of the collector.
_REFUSALS: Final[Mapping[str, str]] = {
    "bad_data": "look at what the sender sends; the answer to it says what is wrong",
    "busy": "give it more room: docs/settings.md, memory_bytes_max, journal_bytes_max, disk_free_bytes_min",
    "fault": "look at the collector's log: that is a fault of its own",
    "too_large": "smaller batches in the sender, or a larger body_bytes_max",
    "unknown_sender": f"give the sender its token: {HEADERS}=authorization=Bearer%20TOKEN",
    "wrong_type": "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf in the sender",
}


@dataclass(frozen=True, slots=True)
class Samples:
    """What `/metrics` said: name and labels -> number."""

    values: tuple[tuple[str, Mapping[str, str], float], ...]

    def total(self, name: str) -> float:
        return sum(number for found, _, number in self.values if found == name)

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sums of a metric by one of its labels, without zeros."""
        sums: dict[str, float] = {}
        for found, labels, number in self.values:
            if found == name and number:
                sums[labels.get(label, "")] = sums.get(labels.get(label, ""), 0) + number
        return sums


def examine_collector(url: str) -> list[Result]:
    """Everything that can be asked of the collector at a URL. Raises UsageError where that is none."""
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise UsageError(f"--collector {url}: give http://HOST:4318")
    return [Result(_TOPIC, check, finding) for check, finding in _findings(Door.of(url.rstrip("/")))]


def read_samples(text: str) -> Samples:
    """The samples of a page in Prometheus's text format; those of others are left out."""
    return Samples(tuple((m[1], dict(_LABEL.findall(m[2] or "")), float(m[3])) for m in _SAMPLE.finditer(text)))


def _findings(door: Door) -> Iterator[tuple[str, Finding]]:
    status, body = door.get("/health")
    if status != 200:
        yield "health", _not_there(door, status, body)
        return
    yield "health", ok(f"{door.url} is a collector of otel-llm {_said(body, 'version')}")
    status, body = door.get("/ready")
    if status == 200:
        yield "ready", ok("it takes requests")
    else:
        yield "ready", _not_ready(str(_said(body, "why") or status))
    status, body = door.get("/metrics")
    if status == 200:
        yield from _counts(read_samples(body))
    elif status == 401:
        yield "metrics", note("its counts are for those with a token", f"{HEADERS}=authorization=Bearer%20TOKEN")
    else:
        yield "metrics", problem(f"its counts cannot be read ({status or body})", "look at its log")


def _not_there(door: Door, status: int, reason: str) -> Finding:
    if status:
        what = f"{door.url} answers {status} at /health: that is no collector of ours"
        return problem(what, "HTTP is usually port 4318")
    what, fix = door.why_not(reason)
    return problem(f"{door.url} {what}", fix)


def _not_ready(why: str) -> Finding:
    fix = "wait, and look at its log"
    if "journal" in why:
        fix = "look at its log for why the converter is behind, or give it more room: journal_bytes_max"
    elif "disk" in why:
        fix = "free room on its disk, keep less (archive_bytes_max, spans_days ...), or lower disk_free_bytes_min"
    return problem(f"it takes no requests: {why}", fix)


def _counts(samples: Samples) -> Iterator[tuple[str, Finding]]:
    items = ", ".join(f"{count:,.0f} of {name}" for name, count in samples.by("items_total", "signal").items())
    yield "taken", ok(f"taken since it started: {items or 'nothing yet'}")
    for reason, count in samples.by("refused_requests_total", "reason").items():
        if reason in _REFUSALS:
            yield "refused", note(f"{count:,.0f} requests were refused: {reason.replace('_', ' ')}", _REFUSALS[reason])
    if rejected := samples.total("rejected_items_total"):
        yield "rejected", note(f"{rejected:,.0f} items had no ids, or no name, and were left out", "look at the sender")
    yield from _conversion(samples)
    yield from _forwarding(samples)


def _conversion(samples: Samples) -> Iterator[tuple[str, Finding]]:
    lag = samples.total("journal_lag_seconds")
    waiting = samples.total("journal_bytes")
    if lag > _LAG_S_MAX:
        yield (
            "lag",
            problem(f"{waiting:,.0f} bytes wait for {lag:,.0f} s to become rows", "look at the collector's log"),
        )
    else:
        yield "lag", ok("what was taken is in the tables, or about to be")
    if unreadable := samples.total("unreadable_items_total"):
        fix = "report it: the requests are kept in journal/quarantine"
        yield "unreadable", problem(f"{unreadable:,.0f} items or pieces of the journal could not become rows", fix)


def _forwarding(samples: Samples) -> Iterator[tuple[str, Finding]]:
    sent, behind = samples.by("forward_sent_total", "target"), samples.by("forward_behind_bytes", "target")
    failures = samples.by("forward_failures_total", "target")
    for target in sorted({*sent, *behind, *failures}):
        waits = f", {behind[target]:,.0f} bytes wait" if target in behind else ""
        said = f"{target} was handed {sent.get(target, 0):,.0f} requests{waits}"
        yield "forward", note(f"{said}; it failed {failures[target]:,.0f} times") if target in failures else ok(said)
    for name, what in (("forward_dropped_total", "never got"), ("forward_rejected_total", "refused")):
        for target, count in samples.by(name, "target").items():
            yield "forward", problem(f"{target} {what} {count:,.0f} requests", "look at the collector's log for why")


def _said(body: str, name: str) -> Any:
    try:
        return json.loads(body).get(name, "")
    except (ValueError, AttributeError):
        return ""

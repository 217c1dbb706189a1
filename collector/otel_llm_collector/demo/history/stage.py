"""Making a history: a collector, the story sent to it as exporters send, and the wait until all of it is readable.

A story that begins longer ago than a collector dates by itself is brought in as an import is, each day as if it were
received at its end.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3

from otel_llm.errors import OtelLlmError, UsageError

from ...config import contracts
from ...delivery import to_directory
from ...normalise import PAST_MAX
from ...query.opening import live_files
from ...signals import Signal
from .. import progress
from ..processes import Family
from ..stage import start_collector, wait_endpoint
from .requests import requests
from .scenes import SCENES
from .schedule import traces
from .story import Story

STORY_FILE: Final = "demo/history.json"
CONTRACTS_FILE: Final = "demo/contracts.toml"
_HEADERS: Final = {"content-type": "application/x-protobuf"}
_RETRIES: Final = urllib3.Retry(10, backoff_factor=0.2, status_forcelist=(503,), allowed_methods=None)
_LOOK_EVERY_S: Final = 0.3
_STANDSTILL_S: Final = 60.0
_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Made:
    """A history that lies in a data directory now, how many spans it has, and how long it took to make."""

    story: Story
    data: Path
    spans: int
    seconds: float


def make(data: Path, days: int, until: dt.datetime | None, now: dt.datetime) -> Made:
    """Send a history of so many days into a data directory, ending at `until`, else with the last full hour.

    The second time it is the first one again, so that no row is there twice. Raises UsageError where the directory
    holds another one, OtelLlmError where the collector does not take it.
    """
    clock = time.monotonic()
    story = _story(data, days, until, now)
    (data / CONTRACTS_FILE).write_text(story.contracts())
    is_old = story.since < now - PAST_MAX + _DAY
    spans = _bring(data, story) if is_old else _collect(data, story)
    return Made(story, data, spans, time.monotonic() - clock)


def _collect(data: Path, story: Story) -> int:
    """Have a collector receive the story. Returns the number of its spans."""
    with Family() as family:
        with progress.step("Starting a collector on 127.0.0.1"):
            collector = start_collector(family, data, "--contracts", str(data / CONTRACTS_FILE))
            endpoint = wait_endpoint(family, collector)
        with progress.step(f"Sending {story.days} days of a clinic's calls") as say:
            spans = _send(family, endpoint, story, say)
        with progress.step(f"Waiting for the rows of {spans:,} spans") as say:
            _wait_rows(family, data, story, spans, say)
            family.stop(collector)
    return spans


def _bring(data: Path, story: Story) -> int:
    """Import the story. Returns the number of its spans."""
    prices = contracts(data / CONTRACTS_FILE)
    with (
        progress.step(f"Importing {story.days} days of a clinic's calls, older than a collector dates") as say,
        to_directory(data, prices) as delivery,
    ):
        sent = 0
        for date, signal, body, spans in _told(story):
            say(f"{date}, {sent:,} spans")
            end = dt.datetime.combine(date + _DAY, dt.time(), dt.UTC)
            delivery.take(signal.kind, body, int(end.timestamp()) * 10**9)
            sent += spans
    return sent


def _told(story: Story) -> Iterator[tuple[dt.date, Signal, bytes, int]]:
    """The requests of the story, a day after the other, with the number of their spans."""
    for date in story.dates:
        for signal, body, spans in requests(traces(story, date)):
            yield date, signal, body, spans


def _story(data: Path, days: int, until: dt.datetime | None, now: dt.datetime) -> Story:
    """The story that the directory holds, or a new one, which it will hold from then on."""
    path = data / STORY_FILE
    if path.exists():
        kept = json.loads(path.read_text())
        story = Story(kept["days"], dt.datetime.fromisoformat(kept["until"]))
        if days != story.days or until not in (None, story.until):
            held = f"{story.days} days until {story.until:%Y-%m-%dT%H:%MZ}"
            raise UsageError(f"{data} holds a history of {held}: name another place with --data")
        return story
    story = Story(days, until or now.replace(minute=0, second=0, microsecond=0))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"days": story.days, "until": story.until.isoformat()}))
    return story


def _send(family: Family, endpoint: str, story: Story, say: Callable[[str], None]) -> int:
    """Send all of it, a day after the other. Returns the number of spans, all of them acknowledged."""
    sent = 0
    with urllib3.PoolManager(retries=_RETRIES, timeout=30) as pool:
        for date, signal, body, spans in _told(story):
            family.wait(0)  # an interrupt ends it here
            say(f"{date}, {sent:,} spans")
            answer = pool.request("POST", endpoint + signal.path, body=body, headers=_HEADERS)
            if answer.status != 200:
                raise OtelLlmError(f"the collector answered {answer.status} to {signal.path}: see demo/collector.log")
            sent += spans
    return sent


def _wait_rows(family: Family, data: Path, story: Story, spans: int, say: Callable[[str], None]) -> None:
    readable, since = 0, time.monotonic()
    while (now_readable := _rows(data, story)) < spans:
        if now_readable > readable:
            readable, since = now_readable, time.monotonic()
        if time.monotonic() - since > _STANDSTILL_S:
            raise OtelLlmError(f"{readable:,} of {spans:,} rows are readable, no more come: see demo/collector.log")
        say(f"{readable:,} are there")
        family.wait(_LOOK_EVERY_S)


def _rows(data: Path, story: Story) -> int:
    """How many spans of the story can be read."""
    import duckdb

    if not (files := live_files(data, "spans")):
        return 0
    services = sorted({scene.service for scene in SCENES})
    query = "SELECT count(*) FROM read_parquet($files) WHERE service_name IN $services AND start_time >= $since"
    with duckdb.connect() as connection:
        parameters = {"files": files, "services": services, "since": story.since}
        found = connection.execute(query, parameters).fetchone()
    return found[0] if found else 0

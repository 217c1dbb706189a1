"""Real provider traffic, replayed through a real client and through the readers alone: the usage that the provider
reported, no more and no less.

The recordings are not part of this project. They are read from `OTEL_LLM_RECORDINGS`, else from a folder beside the
checkout, and the tests are skipped, saying so, where there is none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2
import pytest
import yaml
from app.recording import Recorded

from otel_llm.exchange import FRAMINGS
from otel_llm.framing import event_data, splitter
from otel_llm.providers import find_format, find_reader
from otel_llm.wire import Answer, Json, Reader, parse
from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage as u

FOLDER = Path(os.environ.get("OTEL_LLM_RECORDINGS") or Path(__file__).parents[3] / "shared" / "recordings")
#: Our usage fields, by the manifest's names.
EXPECTED = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "reasoning": "reasoning_tokens",
    "audio_in": "audio_input_tokens",
    "audio_out": "audio_output_tokens",
    "tool_use_prompt": "tool_use_prompt_tokens",
    "web_search": "web_searches",
}
#: Sound in Google's lists by modality, which the manifest leaves out: see test_readers_media.py.
SOUND = b'"AUDIO"'
AUDIO = ("audio_in", "audio_out")
#: Searches that OpenAI tells of by what the model did: the manifest looks into the usage alone.
SEARCH = b"web_search_call"
#: Faults of the manifest: end of a file's name -> what it says there that the recording does not bear out.
FAULTS = {
    "44ab280b": "response_model",  # an interaction's events name the model inside the interaction
    "48e6af2a": "request_model",  # the model is asked for inside the configuration
    "51f82fdb": "provider_cost",  # usage.cost is there
    "5d1dd6ef": "provider_cost",  # usage.cost is there
    "6d7d005f": "response_model",  # the same
    "ae68613e": "response_model",  # events with the content type of a document, to a caller who asked for no stream
    "eaac58d8": "counted",  # a message is put into a thread: no model is asked
}


def recordings(*, counted: bool) -> list[Any]:
    """The manifest's entries, those that count as a call of a model or the others."""
    manifest = FOLDER / "manifest.json"
    if not manifest.exists():
        reason = f"no recordings in {FOLDER}; set OTEL_LLM_RECORDINGS"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason), id="none")]
    entries: list[dict[str, Any]] = json.loads(manifest.read_text())
    return [pytest.param(entry, id=entry["file"]) for entry in entries if is_counted(entry) is counted]


def is_counted(entry: dict[str, Any]) -> bool:
    return bool(entry["counted"]) and fault(entry) != "counted"


def fault(entry: dict[str, Any]) -> str | None:
    return FAULTS.get(Path(entry["file"]).stem[-8:])


COUNTED = recordings(counted=True)
OTHERS = recordings(counted=False)


class Exchange:
    """A recorded request and its answer, which is stored without its encoding."""

    def __init__(self, entry: dict[str, Any]) -> None:
        (interaction,) = yaml.safe_load((FOLDER / entry["file"]).read_text())["interactions"]
        asked, answered = interaction["request"], interaction["response"]
        self.method, self.url = asked["method"], asked["uri"]
        self.body: Any = asked["body"] or b""
        self.headers = _headers(asked, "content-length")
        self.status = answered["status"]["code"]
        self.answer_headers = _headers(answered, "content-encoding", "transfer-encoding", "content-length")
        body = answered["body"]["string"]
        self.content = body.encode() if isinstance(body, str) else body

    def replay(self) -> None:
        """Send the request through a client whose transport gives the recorded answer."""
        with (
            httpx2.Client(transport=httpx2.MockTransport(lambda _: self._answer())) as client,
            client.stream(self.method, self.url, content=self.body, headers=self.headers) as response,
        ):
            response.read()

    def read_alone(self) -> u.Usage:
        """What the reader of the path makes of the answer, with no client, no span, no instrumentation."""
        path = unquote(urlsplit(self.url).path) or "/"
        wire_format = find_format(path)
        assert wire_format is not None
        reader, answer = find_reader(wire_format), Answer()
        written = self.body.encode() if isinstance(self.body, str) else self.body
        streams = reader.read_request(parse(written), path).stream
        reader.read_headers(self.answer_headers, answer)
        for event in self._events(reader, streams):
            reader.fold_event(event, answer, True)
        if not self._is_list and self._framing(reader, streams) is None:
            reader.read_response(reader.parse_response(self.content, True), answer, True)
        reader.read_content(parse(written), answer)
        return reader.read_usage(answer.usage)

    def _events(self, reader: Reader, streams: bool) -> Iterator[Json]:
        framing = self._framing(reader, streams)
        if framing is not None:
            events = splitter(framing)
            taken = [*events.take(self.content).split(events.SEPARATOR), events.rest()]
            yield from filter(None, (parse(event_data(block)) for block in taken))
        elif self._is_list:
            yield from (event for event in json.loads(self.content) if isinstance(event, dict))

    @property
    def _is_list(self) -> bool:
        return self.content.lstrip().startswith(b"[")

    def _framing(self, reader: Reader, streams: bool) -> str | None:
        kind = self.answer_headers.get("content-type", "").partition(";")[0].lower()
        return FRAMINGS.get(kind) or (reader.FRAMING if streams and "json" not in kind else None)

    def _answer(self) -> httpx2.Response:
        return httpx2.Response(self.status, headers=self.answer_headers, content=self.content)


def _headers(message: dict[str, Any], *left_out: str) -> dict[str, str]:
    lowered = {name.lower(): values[0] for name, values in message["headers"].items()}
    return {name: value for name, value in lowered.items() if name not in left_out}


def counts(usage: u.Usage, exchange: Exchange) -> dict[str, int]:
    """The counts that are known, by the manifest's names, but for those that it does not look into."""
    left_out = (*(AUDIO if SOUND in exchange.content else ()), *(("web_search",) if SEARCH in exchange.content else ()))
    found = {name: getattr(usage, field) for name, field in EXPECTED.items() if name not in left_out}
    return {name: value for name, value in found.items() if value is not None}


def expected_counts(entry: dict[str, Any]) -> dict[str, int]:
    return {name: value for name, value in (entry["expected"] or {}).items() if name in EXPECTED}


@pytest.mark.parametrize("entry", COUNTED)
def test_a_recorded_call_has_the_usage_that_was_reported(recorded: Recorded, entry: dict[str, Any]) -> None:
    exchange = Exchange(entry)
    exchange.replay()
    (span,) = recorded.spans()
    found = dict(span.attributes or {})
    assert found[a.OPERATION] in a.INFERENCE_OPERATIONS
    assert counts(u.from_attributes(found), exchange) == expected_counts(entry)
    assert (found.get(a.HTTP_STATUS), entry["status"]) in ((None, 200), (entry["status"], entry["status"]))
    if fault(entry) != "request_model":
        assert found.get(a.REQUEST_MODEL) == (entry["request_model"] and unquote(entry["request_model"]))
    if fault(entry) != "response_model":
        assert found.get(a.RESPONSE_MODEL) == entry["response_model"]
    if fault(entry) != "provider_cost":
        declared = found.get(a.COST_AMOUNT) if found.get(a.COST_SOURCE) == "provider" else None
        assert declared == (entry["expected"] or {}).get("provider_cost")


@pytest.mark.parametrize("entry", COUNTED)
def test_a_reader_alone_finds_the_same(entry: dict[str, Any]) -> None:
    exchange = Exchange(entry)
    assert counts(exchange.read_alone(), exchange) == expected_counts(entry)


@pytest.mark.parametrize("entry", OTHERS)
def test_what_is_no_call_carries_no_usage(recorded: Recorded, entry: dict[str, Any]) -> None:
    Exchange(entry).replay()
    assert recorded.spans() == []

"""Each wire format's reader against recorded bodies, and the registry against its files, in both directions."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import otel_llm.providers
from otel_llm.providers import HOSTS, MARKERS, PATHS, PROVIDERS, SDK_CALLS, find_reader
from otel_llm.recognition import Recogniser
from otel_llm.wire import Answer, Reader

FIXTURES = Path(__file__).parent / "fixtures"
CASES = sorted(FIXTURES.glob("*/*.json"))
#: Streams of formats that read marked events only.
SKIPPING = [path for path in CASES if "stream" in path.stem and find_reader(path.parent.name).MARKS]


def flat(reader: Reader, answer: Answer) -> dict[str, Any]:
    """What was read, without what was not said."""
    usage = {key: value for key, value in asdict(reader.read_usage(answer.usage)).items() if value is not None}
    reasons = [answer.finish_reasons[key] for key in sorted(answer.finish_reasons)]
    said = {"id": answer.id, "model": answer.model, "finish_reasons": reasons or None}
    said |= {"error_type": answer.error_type, "error_message": answer.error_message}
    return {key: value for key, value in said.items() if value is not None} | usage


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_recorded_body_is_read(path: Path) -> None:
    case = json.loads(path.read_text())
    reader = find_reader(path.parent.name)
    assert reader.is_request(case["request"], case.get("path", ""))
    assert reader.read_request(case["request"], case.get("path", "")).stream is ("stream" in path.stem)
    answer = Answer()
    if "response" in case:
        reader.read_response(case["response"], answer, False)
    for event in case.get("events", ()):
        reader.fold_event(event, answer, False)
    assert flat(reader, answer) == case["answer"]


@pytest.mark.parametrize("path", SKIPPING, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_events_that_are_skipped_say_nothing(path: Path, separators: tuple[str, str]) -> None:
    """The short cut past content events changes nothing, however the JSON is spaced and with or without names."""
    case = json.loads(path.read_text())
    reader = find_reader(path.parent.name)
    for named in (False, True):
        answer, skipped = Answer(), 0
        for index, event in enumerate(case["events"]):
            name = f"event: {event.get('type')}\n" if named else ""
            block = f"{name}data: {json.dumps(event, separators=separators)}".encode()
            if index == 0 or any(mark in block for mark in reader.MARKS):
                reader.fold_event(event, answer, False)
            else:
                skipped += 1
        assert flat(reader, answer) == case["answer"]
        assert skipped


@pytest.mark.parametrize("name", sorted(PROVIDERS))
@pytest.mark.parametrize(
    "body",
    [{}, {"usage": 1}, {"choices": [None, 3], "usage": {"prompt_tokens": "x"}}, {"error": "text"}, {"message": []}],
)
def test_a_reader_survives_anything(name: str, body: dict[str, Any]) -> None:
    reader, answer = find_reader(name), Answer()
    reader.read_request(body, "")
    reader.read_response(body, answer, True)
    for kind in ("message_start", "message_delta", "error", "content_block_delta", None):
        reader.fold_event({**body, "type": kind}, answer, True)
    reader.read_usage(answer.usage)
    reader.read_content(body, answer)
    assert reader.response_attributes(answer) == {}


@pytest.mark.parametrize(
    ("lived", "write"), [({"5m": 24, "1h": 40}, 64), ({"1h": 40}, 40), ({"5m": 24}, 24), ({}, None)]
)
def test_cache_writes_said_by_their_life_alone_are_writes_all_the_same(
    lived: dict[str, int], write: int | None
) -> None:
    creation = {f"ephemeral_{life}_input_tokens": count for life, count in lived.items()}
    usage = find_reader("anthropic_messages").read_usage({"input_tokens": 100, "cache_creation": creation})
    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens) == (write, lived.get("1h"))
    assert usage.input_tokens == 100 + (write or 0)


def test_the_registry_and_its_files_agree() -> None:
    home = Path(str(otel_llm.providers.__file__)).parent
    stems = {path.stem for path in home.glob("*.py") if path.stem != "__init__"}
    readers = {stem for stem in stems if stem in PROVIDERS or not stem.endswith("_content")}
    assert readers == set(PROVIDERS)
    assert {module.rpartition(".")[2] for module in PROVIDERS.values()} == set(PROVIDERS)
    assert set(PATHS.values()) == set(PROVIDERS)
    assert {path.parent.name for path in CASES} == set(PROVIDERS)
    assert json.loads((FIXTURES / "hosts.json").read_text()) == dict(HOSTS)
    for table in (list(PROVIDERS), list(PATHS), list(HOSTS), list(MARKERS), list(SDK_CALLS)):
        assert table == sorted(table)


def test_hosts_are_looked_up_whole_and_by_their_ends() -> None:
    recogniser = Recogniser({".corp.example": "anthropic", "llm.corp.example": "groq"})
    assert recogniser.provider_of("api.openai.com") == "openai"
    assert recogniser.provider_of("llm.corp.example") == "groq"
    assert recogniser.provider_of("a.b.corp.example") == "anthropic"
    assert recogniser.provider_of("corp.example") is None
    assert recogniser.provider_of("api.openai.com.evil.example") is None

"""What real emitters sent becomes the row that our own instrumentor gives for the very same requests.

Where an emitter cannot tell something, or tells it otherwise, its `differs.json` says so, and why. Nothing else may
differ, and what is named there has to.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from emitters.differing import counted, differing, is_named, of_call, parts, reasons, stale
from emitters.emission import HERE, emitters, read, stored
from emitters.registry import speakers
from emitters.replay import of_logs, of_traces, theirs

from otel_llm_semconv.dialects import BY_ID, Span
from otel_llm_semconv.dialects import read as read_span

STORED = stored()
BY_HAND = sorted((HERE.parent / "semconv/dialects").glob("*.json"))


@pytest.mark.parametrize("path", STORED, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_a_call_is_the_row_that_ours_is(path: Path) -> None:
    sent = read(path)
    rows = [reason["rows"] for reason in of_call(sent) if "rows" in reason]
    if rows:
        assert [len(counted(theirs(sent)))] == rows
        assert rows != [len(sent.calls)]
        return
    found = differing(sent)
    assert [one for one in found if not is_named(one, sent)] == []
    assert list(stale(sent, found)) == [], "named in differs.json, and the same"


@pytest.mark.parametrize("path", [path for path in STORED if read(path).logs], ids=lambda path: path.parents[1].name)
def test_a_call_that_spans_and_events_tell_of_is_counted_once(path: Path) -> None:
    sent = read(path)
    rows = [*of_traces(sent), *of_logs(sent)]
    assert len(counted(rows)) == len(sent.calls)


@pytest.mark.parametrize("emitter", emitters())
def test_a_reason_is_given_for_calls_that_there_are(emitter: str) -> None:
    calls = {path.stem for path in stored(emitter)}
    assert calls, "make test-emitters EMITTERS='NAME --write'"
    for reason in reasons(emitter):
        assert reason["why"]
        assert set(reason["calls"]) <= calls | {"*"}
        assert set(reason) <= {"why", "calls", "untold", "otherwise", "less", "cost", "rows"}
        assert parts(reason) or "rows" in reason


# --- the registry: dialect <-> emitter, or the command that failed ----------------------------------------------


def test_every_emitter_speaks_a_dialect_that_there_is() -> None:
    speaking = {emitter for emitters_ in speakers().values() for emitter in emitters_}
    assert speaking == set(emitters())
    assert set(speakers()) <= set(BY_ID)


@pytest.mark.parametrize("dialect", BY_ID)
def test_a_fixture_by_hand_names_what_really_emits_it(dialect: str) -> None:
    fixtures = [json.loads(path.read_text()) for path in BY_HAND]
    about = [one["emitter"] for one in fixtures if reading(one) == dialect]
    assert about, "tests/semconv/dialects"
    for emitter in about:
        runs, not_here = emitter.get("runs"), emitter.get("not_here")
        assert runs == speakers().get(dialect)
        assert (not_here is None) == (runs is not None), "what cannot be run says which command failed"
        assert not_here is None or all(not_here[key] for key in ("command", "said", "tried"))


def reading(fixture: dict[str, Any]) -> str | None:
    found = read_span(Span(**fixture["span"]))
    return found.dialect if found else None


@pytest.mark.parametrize("emitter", emitters())
def test_an_emitter_is_a_program_with_versions_and_reasons_for_its_pins(emitter: str) -> None:
    folder = HERE / emitter
    assert list(folder.glob("emit.*")) or list(folder.glob("src/**/Emit.java"))
    assert (folder / "pom.xml").exists() or list(folder.glob("*lock*"))
    sent = [read(path) for path in stored(emitter)]
    assert all(one.packages and one.packages == sent[0].packages for one in sent)
    requirements = folder / "requirements.txt"
    lines = requirements.read_text().splitlines() if requirements.exists() else []
    assert [line for line in lines if re.search(r"^[^#]*[<>=~]", line) and "#" not in line] == []

"""One call, one span, the same through every HTTP library, and the app sees the bytes that it would have seen."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from app.rawserver import Connection, RawServer
from app.recording import Recorded
from app.ways import WAYS

from otel_llm.exchange import FRAMINGS
from otel_llm.providers import PATHS, find_reader
from otel_llm.wire import EVENTS, FRAMES
from otel_llm_collector.demo.standin.event_stream import frame_event, frame_exception
from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage as u

FIXTURES = Path(__file__).parent / "fixtures"
#: Not over HTTP.
SPOKEN = ("openai_realtime",)
CASES = [path for path in sorted(FIXTURES.glob("*/*.json")) if path.parent.name not in SPOKEN]
#: Differs from call to call.
TIMED = (a.RESPONSE_TIME_TO_FIRST_CHUNK,)
TYPES = {framing: content_type for content_type, framing in FRAMINGS.items()}


def path_of(case: dict[str, Any], wire_format: str) -> str:
    """Where a fixture's request goes: where it says, else to a path of its format."""
    if "path" in case:
        return str(case["path"])
    ending = next(ending for ending, known in PATHS.items() if known == wire_format).replace("*", "x")
    return ending if ending.startswith("/") else f"/v1beta/models/x{ending}"


def frame(event: dict[str, Any], path: str) -> bytes:
    """An event of a fixture as AWS frames it: an error, a piece of a model's own format, an event by its name."""
    if "error" in event:
        return frame_exception(event["error"]["type"], event["error"]["message"])
    if "invoke" in path:
        return frame_event("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()})
    ((kind, payload),) = event.items()
    return frame_event(kind, payload)


def body_of(case: dict[str, Any], framing: str) -> bytes:
    """What the provider of a fixture sends."""
    if "response" in case:
        return json.dumps(case["response"]).encode()
    if framing == FRAMES:
        return b"".join(frame(event, case["path"]) for event in case["events"])
    start, end = (b"data: ", b"\n\n") if framing == EVENTS else (b"", b"\n")
    return b"".join(start + json.dumps(event).encode() + end for event in case["events"])


def reply(status: int, content_type: str, body: bytes) -> Any:
    def answer(connection: Connection) -> None:
        connection.head(status, content_type=content_type, content_length=str(len(body)))
        connection.send(body)

    return answer


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_call_is_the_same_span_through_every_library(recorded: Recorded, path: Path) -> None:
    case = json.loads(path.read_text())
    framing = find_reader(path.parent.name).FRAMING
    body, url = body_of(case, framing), path_of(case, path.parent.name)
    failed = re.search(r"error_(\d+)", path.stem)
    status, content_type = int(failed[1]) if failed else 200, TYPES[framing] if "events" in case else "application/json"
    with RawServer(reply(status, content_type, body)) as server:
        seen = {name: way(server.url + url, case["request"]) for name, way in WAYS.items()}
    assert seen == dict.fromkeys(WAYS, body)
    spans = recorded.spans()
    assert len(spans) == len(WAYS)
    found = {}
    for name, span in zip(WAYS, spans, strict=True):
        attributes = {key: value for key, value in (span.attributes or {}).items() if key not in TIMED}
        found[name] = (span.name, span.kind, span.status.status_code, span.status.description, attributes)
    assert found == dict.fromkeys(WAYS, found["httpx2"])
    expected = {key: value for key, value in case["answer"].items() if key in u.Usage.__dataclass_fields__}
    usage = u.from_attributes(found["httpx2"][-1])
    assert {key: value for key in expected if (value := getattr(usage, key)) is not None} == expected

"""Real provider traffic, replayed through a real client: the usage that the provider reported, no more and no less.

The recordings are not part of this project. They are read from `OTEL_LLM_RECORDINGS`, else from a folder beside the
checkout, and the tests are skipped, saying so, where there is none.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from app.recording import Recorded

from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage as u

FOLDER = Path(os.environ.get("OTEL_LLM_RECORDINGS") or Path(__file__).parents[3] / "shared" / "recordings")
FORMATS = {("chat.completions", None), ("messages", "anthropic")}  # endpoint, and whose where it matters
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
}


def recordings() -> list[dict[str, Any]]:
    manifest = FOLDER / "manifest.json"
    if not manifest.exists():
        return []
    entries: list[dict[str, Any]] = json.loads(manifest.read_text())
    return [e for e in entries if e["counted"] and {(e["endpoint"], None), (e["endpoint"], e["provider"])} & FORMATS]


def replay(entry: dict[str, Any]) -> None:
    """Send the recorded request through a client whose transport gives the recorded answer."""
    (interaction,) = yaml.safe_load((FOLDER / entry["file"]).read_text())["interactions"]
    asked, answered = interaction["request"], interaction["response"]
    headers = {name: values[0] for name, values in answered["headers"].items() if "encoding" not in name.lower()}
    body = answered["body"]["string"]
    content = body.encode() if isinstance(body, str) else body

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(answered["status"]["code"], headers=headers, content=content)

    sent = {name: values[0] for name, values in asked["headers"].items() if name.lower() != "content-length"}
    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as client,
        client.stream(asked["method"], asked["uri"], content=asked["body"], headers=sent) as response,
    ):
        response.read()


@pytest.mark.skipif(not recordings(), reason=f"no recordings in {FOLDER}; set OTEL_LLM_RECORDINGS")
@pytest.mark.parametrize("entry", recordings(), ids=lambda entry: entry["file"])
def test_a_recorded_call_has_the_usage_that_was_reported(recorded: Recorded, entry: dict[str, Any]) -> None:
    replay(entry)
    found = recorded.attributes()
    usage = u.from_attributes(found)
    expected = entry["expected"] or {}
    assert {name: getattr(usage, field) for name, field in EXPECTED.items()} == {
        name: expected.get(name) for name in EXPECTED
    }
    assert found.get(a.RESPONSE_MODEL) == entry["response_model"]
    assert found.get(a.REQUEST_MODEL) == entry["request_model"]

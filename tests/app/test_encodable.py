"""Whatever text and numbers come along, what is put on spans can be encoded, so that no batch is lost for one value."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from app.recording import Recorded
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.trace import StatusCode

import otel_llm
from otel_llm.encodable import clean, clean_attributes
from otel_llm_semconv import attributes as a

LONE = "a\ud83d"
CLEAN = "a\ufffd"


def encode(recorded: Recorded) -> None:
    assert encode_spans(recorded.spans()).SerializeToString()


def post(status: int, request: dict[str, Any], response: dict[str, Any]) -> None:
    content = json.dumps(response).encode()
    transport = httpx2.MockTransport(lambda _: httpx2.Response(status, content=content))
    with httpx2.Client(transport=transport) as client:
        client.post("http://llm.test/v1/chat/completions", content=json.dumps(request).encode())


def test_a_call_with_broken_text_everywhere(capturing: Recorded) -> None:
    request = {
        "model": LONE,
        "messages": [{"role": "user", "content": LONE}],
        "user": LONE,
        "metadata": {LONE: LONE},
        "stop": [LONE],
        "seed": 1 << 64,
    }
    choice = {"index": 0, "message": {"role": "assistant", "content": LONE}, "finish_reason": LONE}
    usage = {"prompt_tokens": 1 << 64, "completion_tokens": -1}
    post(200, request, {"id": LONE, "model": LONE, "choices": [choice], "usage": usage})
    post(400, request, {"error": {"message": LONE, "type": LONE}})
    encode(capturing)
    good, bad = sorted(capturing.spans(), key=lambda span: span.start_time or 0)  # one waits for the prices
    found = dict(good.attributes or {})
    assert good.name == f"chat {CLEAN}"
    assert (found[a.USER_ID], found[a.PROPERTY_PREFIX + CLEAN]) == (CLEAN, CLEAN)
    assert found[a.REQUEST_STOP_SEQUENCES] == found[a.RESPONSE_FINISH_REASONS] == (CLEAN,)
    assert json.loads(found[a.OUTPUT_MESSAGES])[0]["parts"] == [{"type": "text", "content": CLEAN}]
    assert (found[a.COST_STATUS], found[a.USAGE_OUTPUT_TOKENS]) == ("inconsistent_usage", -1)
    assert (bad.status.description, (bad.attributes or {})[a.ERROR_TYPE]) == (CLEAN, CLEAN)


class SpeechlessError(ValueError):
    """An error that fails to say what it is."""

    def __str__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize("error", [ValueError(LONE), SpeechlessError()])
def test_a_step_with_broken_text_everywhere(error: Exception) -> None:
    recorded = Recorded(raise_errors=False)
    with (
        otel_llm.user(LONE),
        otel_llm.session(LONE, name=LONE),
        otel_llm.properties(**{LONE: LONE}),
        pytest.raises(ValueError) as raised,  # noqa: PT011 - it is the very one
        otel_llm.agent(LONE, description=LONE),
    ):
        raise error
    otel_llm.uninstrument()
    assert raised.value is error
    encode(recorded)
    (span,) = recorded.spans()
    assert span.name == f"invoke_agent {CLEAN}"
    assert (span.attributes or {})[a.USER_ID] == CLEAN
    assert (span.attributes or {})[a.ERROR_TYPE] == type(error).__name__
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == (CLEAN if type(error) is ValueError else "")


@given(st.text(st.characters(codec=None)))
def test_clean_text_can_be_encoded_and_other_text_is_kept(text: str) -> None:
    assert clean(text).encode().decode() == clean(text)
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        assert clean(text) is text


def test_two_halves_are_one_letter() -> None:
    assert clean("\ud83d\ude00") == "😀"
    assert clean_attributes({"a": [LONE], "b": (1, 1 << 63), "c": True}) == {
        "a": (CLEAN,),
        "b": (1, str(1 << 63)),
        "c": True,
    }

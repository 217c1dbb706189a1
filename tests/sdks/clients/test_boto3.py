"""AWS Bedrock by boto3: converse and invoke_model, as one answer and as an event stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from app.recording import Recorded
from botocore.config import Config
from botocore.exceptions import ClientError
from sdks.agreement import one_call, one_failure
from sdks.bedrock import BODY, CLAUDE, HELLO, PROVIDER

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("boto3")


def bedrock(standin: Standin, attempts: int = 1) -> Any:
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=standin.bedrock_url,
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
    )


@pytest.fixture
def client(standin: Standin) -> Iterator[Any]:
    client = bedrock(standin)
    yield client
    client.close()


def chat_seen(recorded: Recorded, standin: Standin) -> None:
    found = one_call(recorded, standin, operation="chat", provider=PROVIDER)
    assert found[a.RESPONSE_FINISH_REASONS] == ("end_turn",)


@pytest.mark.feature("converse")
def test_converse(recorded: Recorded, standin: Standin, client: Any) -> None:
    assert client.converse(modelId=CLAUDE, messages=HELLO)["output"]["message"]["content"]
    chat_seen(recorded, standin)


@pytest.mark.feature("converse_stream")
def test_converse_stream(recorded: Recorded, standin: Standin, client: Any) -> None:
    events = list(client.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"])
    assert "metadata" in events[-1]
    chat_seen(recorded, standin)


@pytest.mark.feature("invoke_model")
def test_invoke_model(recorded: Recorded, standin: Standin, client: Any) -> None:
    assert json.loads(client.invoke_model(modelId=CLAUDE, body=BODY)["body"].read())["content"]
    chat_seen(recorded, standin)


@pytest.mark.feature("invoke_model_with_response_stream")
def test_invoke_model_with_response_stream(recorded: Recorded, standin: Standin, client: Any) -> None:
    chunks = list(client.invoke_model_with_response_stream(modelId=CLAUDE, body=BODY)["body"])
    assert json.loads(chunks[-1]["chunk"]["bytes"])["type"] == "message_stop"
    chat_seen(recorded, standin)


@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("method", ["converse", "converse_stream"])
def test_a_refusal(recorded: Recorded, standin: Standin, client: Any, status: int, method: str) -> None:
    with pytest.raises(ClientError):
        getattr(client, method)(modelId=f"standin-{status}", messages=HELLO)
    one_failure(recorded, standin, status=status, provider=PROVIDER)


@pytest.mark.feature("retries")
@pytest.mark.parametrize("method", ["converse", "converse_stream"])
def test_retries_are_one_call(recorded: Recorded, refusing: Standin, method: str) -> None:
    client = bedrock(refusing, attempts=3)
    answer = getattr(client, method)(modelId=CLAUDE, messages=HELLO)
    assert list(answer["stream"]) if method == "converse_stream" else answer["output"]
    client.close()
    chat_seen(recorded, refusing)
    assert len(refusing.calls) == 3

"""AWS Bedrock by aiobotocore, which pins an older botocore than boto3's newest: converse and invoke_model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from app.recording import Recorded
from botocore.exceptions import ClientError
from sdks.agreement import one_call, one_failure
from sdks.bedrock import BODY, CLAUDE, HELLO, PROVIDER

from otel_llm_collector.demo.standin import Standin
from otel_llm_semconv import attributes as a

pytestmark = pytest.mark.sdk("aiobotocore")


async def converse(client: Any, model: str) -> None:
    assert (await client.converse(modelId=model, messages=HELLO))["output"]["message"]["content"]


async def converse_stream(client: Any, model: str) -> None:
    answer = await client.converse_stream(modelId=model, messages=HELLO)
    assert "metadata" in [event async for event in answer["stream"]][-1]


async def invoke_model(client: Any, model: str) -> None:
    answer = await client.invoke_model(modelId=model, body=BODY)
    async with answer["body"] as body:
        assert json.loads(await body.read())["content"]


async def invoke_model_with_response_stream(client: Any, model: str) -> None:
    answer = await client.invoke_model_with_response_stream(modelId=model, body=BODY)
    chunks = [chunk async for chunk in answer["body"]]
    assert json.loads(chunks[-1]["chunk"]["bytes"])["type"] == "message_stop"


Ask = Callable[[Any, str], Awaitable[None]]
WAYS: tuple[Ask, ...] = (converse, converse_stream, invoke_model, invoke_model_with_response_stream)


@pytest.fixture(params=[pytest.param(way, marks=pytest.mark.feature(way.__name__)) for way in WAYS])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Each call of a model."""
    way: Ask = request.param
    return way


def run(standin: Standin, ask: Ask, *, model: str = CLAUDE, attempts: int = 1) -> None:
    async def main() -> None:
        async with get_session().create_client(
            "bedrock-runtime",
            region_name="us-east-1",
            endpoint_url=standin.bedrock_url,
            aws_access_key_id="k",
            aws_secret_access_key="s",
            config=AioConfig(retries={"total_max_attempts": attempts, "mode": "standard"}),
        ) as client:
            await ask(client, model)

    asyncio.run(main())


def chat_seen(recorded: Recorded, standin: Standin) -> None:
    found = one_call(recorded, standin, operation="chat", provider=PROVIDER)
    assert found[a.RESPONSE_FINISH_REASONS] == ("end_turn",)


def test_a_call(recorded: Recorded, standin: Standin, ask: Ask) -> None:
    run(standin, ask)
    chat_seen(recorded, standin)


@pytest.mark.feature("errors")
@pytest.mark.parametrize("status", [429, 500])
def test_a_refusal(recorded: Recorded, standin: Standin, ask: Ask, status: int) -> None:
    with pytest.raises(ClientError):
        run(standin, ask, model=f"standin-{status}")
    one_failure(recorded, standin, status=status, provider=PROVIDER)


@pytest.mark.feature("retries")
def test_retries_are_one_call(recorded: Recorded, refusing: Standin, ask: Ask) -> None:
    run(refusing, ask, attempts=3)
    chat_seen(recorded, refusing)
    assert len(refusing.calls) == 3

"""LangSmith's wrappers of OpenAI's and Anthropic's SDKs, exported with OTLP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asking
import emitting

asking.quiet(
    ANTHROPIC_OPEN_TELEMETRY="false", LANGSMITH_TRACING="true", LANGSMITH_OTEL_ENABLED="true",
    LANGSMITH_OTEL_ONLY="true", LANGCHAIN_REVISION_ID="1", LANGSMITH_API_KEY="k", LANGSMITH_ENDPOINT=emitting.RECEIVER,
)  # fmt: skip
provider = emitting.provide()

import anthropic
import openai
from langsmith import Client, traceable
from langsmith.run_helpers import tracing_context
from langsmith.wrappers import wrap_anthropic, wrap_openai

client = Client()
openai_client = wrap_openai(openai.OpenAI(api_key="k", base_url=f"{emitting.STANDIN}/v1", max_retries=0))
anthropic_client = wrap_anthropic(anthropic.Anthropic(api_key="k", base_url=emitting.STANDIN, max_retries=0))
calls = asking.openai_calls(openai_client) | asking.anthropic_calls(anthropic_client)


@contextmanager
def told() -> Iterator[None]:
    context = emitting.CONTEXT
    with tracing_context(
        metadata={"session_id": context["session"], "user_id": context["user"], **context["properties"]}
    ):
        yield


@traceable(name="triage", run_type="chain")
def chain() -> object:
    return calls["chat"]()


def flush() -> None:
    client.flush()
    provider.force_flush()


emitting.run(calls | {"chain": chain}, inside=told, told=("session", "user", "properties"), flush=flush, settle_s=0.7)

"""LangSmith's wrappers of OpenAI's and Anthropic's SDKs, exported with OTLP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asking
import emitting

asking.quiet(
    ANTHROPIC_OPEN_TELEMETRY="false", LANGSMITH_TRACING="true", LANGSMITH_OTEL_ENABLED="true",
    LANGSMITH_OTEL_ONLY="true", LANGCHAIN_REVISION_ID="1", LANGSMITH_API_KEY="k", LANGSMITH_ENDPOINT=emitting.RECEIVER,
)  # fmt: skip
provider = emitting.provide()

import anthropic
import openai
from langsmith import traceable
from langsmith.run_helpers import tracing_context
from langsmith.run_trees import get_cached_client
from langsmith.wrappers import wrap_anthropic, wrap_openai

client = get_cached_client()  # that of the wrappers
is_over = threading.Event()
take_run = client.tracing_queue.get


def take_run_of_what_is_over(*args: Any, **more: Any) -> Any:
    """The client tells another status of a failed call whose beginning and end it takes more than 50 ms apart, as on a
    busy machine: here it takes them together.
    """
    is_over.wait()
    return take_run(*args, **more)


client.tracing_queue.get = take_run_of_what_is_over
is_over.set()
openai_client = wrap_openai(openai.OpenAI(api_key="k", base_url=f"{emitting.STANDIN}/v1", max_retries=0))
anthropic_client = wrap_anthropic(anthropic.Anthropic(api_key="k", base_url=emitting.STANDIN, max_retries=0))
calls = asking.openai_calls(openai_client) | asking.anthropic_calls(anthropic_client)


@contextmanager
def told() -> Iterator[None]:
    context = emitting.CONTEXT
    is_over.clear()
    with tracing_context(
        metadata={"session_id": context["session"], "user_id": context["user"], **context["properties"]}
    ):
        yield
    is_over.set()


@traceable(name="triage", run_type="chain")
def chain() -> object:
    return calls["chat"]()


def flush() -> None:
    client.flush()
    provider.force_flush()


emitting.run(calls | {"chain": chain}, inside=told, told=("session", "user", "properties"), flush=flush)

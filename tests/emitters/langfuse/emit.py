"""Langfuse's SDK: its wrapper of OpenAI, and observations made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asking
import emitting
from langfuse import Langfuse, propagate_attributes
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

langfuse = Langfuse(public_key="pk", secret_key="sk", base_url=emitting.RECEIVER, span_exporter=OTLPSpanExporter())

from langfuse.openai import openai

client = openai.OpenAI(api_key="k", base_url=f"{emitting.STANDIN}/v1", max_retries=0)
calls = asking.openai_calls(client)


@contextmanager
def told() -> Iterator[None]:
    context = emitting.CONTEXT
    with propagate_attributes(session_id=context["session"], user_id=context["user"], metadata=context["properties"]):
        yield


def agent() -> None:
    with langfuse.start_as_current_observation(as_type="agent", name="triage"):
        with langfuse.start_as_current_observation(as_type="tool", name="look_up", input={"patient": "anna"}) as tool:
            tool.update(output=asking.TOOL["result"])
        calls["chat"]()


emitting.run(calls | {"agent": agent}, inside=told, told=("session", "user", "properties"), flush=langfuse.flush)

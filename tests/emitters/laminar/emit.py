"""Laminar's SDK, which brings instrumentations of OpenAI's and Anthropic's SDKs along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asking
import emitting

asking.quiet(ANTHROPIC_OPEN_TELEMETRY="false")

from lmnr import Laminar, observe

port = int(emitting.RECEIVER.rpartition(":")[2])
Laminar.initialize(
    project_api_key="k", base_url="http://127.0.0.1", http_port=port, force_http=True, disable_batch=True
)
calls = asking.openai_calls() | asking.anthropic_calls()


@contextmanager
def told() -> Iterator[None]:
    context = emitting.CONTEXT
    with Laminar.start_as_current_span("ward"):
        Laminar.set_trace_session_id(context["session"])
        Laminar.set_trace_user_id(context["user"])
        Laminar.set_trace_metadata(context["properties"])
        yield


@observe(name="look_up", span_type="TOOL")
def look_up(patient: str) -> str:
    return str(asking.TOOL["result"])


def tool() -> object:
    look_up("anna")
    return calls["chat"]()


emitting.run(calls | {"tool": tool}, inside=told, told=("session", "user", "properties"), flush=Laminar.flush)

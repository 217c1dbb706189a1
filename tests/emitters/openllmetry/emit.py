"""OpenLLMetry's instrumentations, set up by Traceloop's SDK, which tells of workflows, sessions and users, too."""

from __future__ import annotations

import asking
import emitting

asking.quiet(ANTHROPIC_OPEN_TELEMETRY="false", TRACELOOP_TELEMETRY="false", TRACELOOP_METRICS_ENABLED="false")

from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import tool, workflow

Traceloop.init(app_name="ward", api_endpoint=emitting.RECEIVER, api_key="k", disable_batch=True,
               should_enrich_metrics=False)  # fmt: skip
context = emitting.CONTEXT
Traceloop.set_association_properties(
    {"session_id": context["session"], "user_id": context["user"], **context["properties"]}
)
calls = asking.openai_calls() | asking.anthropic_calls() | asking.gemini_calls()


@tool(name="look_up")
def look_up(patient: str) -> str:
    return str(asking.TOOL["result"])


@workflow(name="admission")
def admission() -> object:
    look_up("anna")
    return calls["chat"]()


emitting.run(calls | {"workflow": admission}, told=("session", "user", "properties"))

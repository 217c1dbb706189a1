"""MLflow's tracing of OpenAI's and Anthropic's SDKs, exported with OTLP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asking
import emitting

asking.quiet(ANTHROPIC_OPEN_TELEMETRY="false", MLFLOW_ENABLE_ASYNC_TRACE_LOGGING="false")

import mlflow

mlflow.openai.autolog()
mlflow.anthropic.autolog()
calls = asking.openai_calls() | asking.anthropic_calls()


@mlflow.trace(name="triage", span_type="AGENT")
def agent() -> object:
    context = emitting.CONTEXT
    mlflow.update_current_trace(
        metadata={"mlflow.trace.session": context["session"], "mlflow.trace.user": context["user"]},
        tags=context["properties"],
    )
    return calls["chat"]()


emitting.run(calls | {"agent": agent}, flush=mlflow.flush_trace_async_logging)

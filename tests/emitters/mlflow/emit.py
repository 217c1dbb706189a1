"""MLflow's tracing of OpenAI's and Anthropic's SDKs, exported with OTLP."""

from __future__ import annotations

import asking
import emitting

asking.quiet(ANTHROPIC_OPEN_TELEMETRY="false", OTEL_BSP_SCHEDULE_DELAY="50")

import mlflow

mlflow.openai.autolog()
mlflow.anthropic.autolog()
calls = asking.openai_calls() | asking.anthropic_calls()


@mlflow.trace(name="triage", span_type="AGENT")
def agent() -> object:
    return calls["chat"]()


emitting.run(calls | {"agent": agent}, settle_s=0.5, flush=lambda: None)

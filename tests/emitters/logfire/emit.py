"""Logfire's instrumentations of OpenAI's and Anthropic's SDKs."""

from __future__ import annotations

import asking
import emitting

asking.quiet(ANTHROPIC_OPEN_TELEMETRY="false")

import logfire

logfire.configure(
    send_to_logfire=False, console=False, metrics=False, inspect_arguments=False, service_name="ward",
)  # fmt: skip
logfire.instrument_openai()
logfire.instrument_anthropic()
emitting.run(asking.openai_calls() | asking.anthropic_calls(), flush=logfire.force_flush)

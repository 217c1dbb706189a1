"""OpenLIT, with the SDKs that it still goes with."""

from __future__ import annotations

import asking
import emitting
import openlit

others = ["httpx", "requests", "urllib", "urllib3"]
openlit.init(application_name="ward", otlp_endpoint=emitting.RECEIVER, disable_batch=True, disable_metrics=True,
             disable_events=True, disabled_instrumentors=others)  # fmt: skip
emitting.run(asking.openai_calls() | asking.anthropic_calls())

"""The tracing that Anthropic's SDK brings along, with content."""

from __future__ import annotations

import asking
import emitting

asking.quiet(ANTHROPIC_OPEN_TELEMETRY="true", ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE="content")
emitting.provide()
emitting.run(asking.anthropic_calls())

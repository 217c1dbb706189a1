"""The tracing that Mistral's SDK brings along."""

from __future__ import annotations

from .dialect import Dialect

DIALECT = Dialect("mistral_native", "mistralai 3.7.0 extra/observability/otel.py", scopes=("mistralai_sdk_tracer",))

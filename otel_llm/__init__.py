"""OpenTelemetry for LLM applications."""

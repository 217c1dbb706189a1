"""`otel-llm demo --history 60d`: weeks of a clinic's calls, made up but told as our instrumentation tells them."""

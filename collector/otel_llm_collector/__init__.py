"""The collector of otel-llm: OTLP in, Parquet out, SQL over it."""

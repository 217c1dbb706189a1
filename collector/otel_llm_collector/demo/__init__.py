"""The demo of `otel-llm demo`: a stand-in for the providers, two programs, and what runs and shows them."""

"""Shared truth of otel-llm: attribute names, token rules, prices and table schemas.

Pure data and functions on the standard library alone; only `pricing` reaches for genai-prices, lazily.
"""

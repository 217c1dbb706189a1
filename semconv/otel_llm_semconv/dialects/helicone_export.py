"""What `otel-llm import` makes of Helicone's exports: the conventions, and what Helicone alone knows."""

from __future__ import annotations

from .dialect import Dialect, Reading, Span

SCOPE = "helicone-export"
REQUEST_ID = "helicone.request.id"
TARGET_URL = "helicone.target_url"
COUNTRY = "helicone.country_code"
CACHE_REFERENCE = "helicone.cache.reference_id"  # of the request whose answer was given again


def _tell_cached(span: Span, reading: Reading) -> None:
    if CACHE_REFERENCE in span.attributes:
        reading.reason = "cached"


DIALECT = Dialect(
    "helicone_export",
    "Helicone/helicone examples/export/typescript and packages/llm-mapper/types.ts, read by otel-llm import",
    scopes=(SCOPE,),
    complete=(_tell_cached,),
)

"""Queries over HTTP."""

from __future__ import annotations

from typing import Final

from .option import Option
from .values import GIB, MIB, at_most, read_count, read_names, read_seconds, read_size

ANSWERING: Final = (
    Option(
        "sql_queries_max",
        "OTEL_LLM_COLLECTOR_SQL_QUERIES_MAX",
        2,
        at_most(1000, read_count),
        "N",
        True,
        "Queries at once over HTTP; 0: none",
    ),
    Option(
        "sql_seconds_max",
        "OTEL_LLM_COLLECTOR_SQL_SECONDS_MAX",
        30,
        read_seconds,
        "SECONDS",
        True,
        "How long one may take",
    ),
    Option(
        "sql_memory_bytes_max",
        "OTEL_LLM_COLLECTOR_SQL_MEMORY_BYTES_MAX",
        GIB,
        read_size,
        "BYTES",
        True,
        "Memory of all",
    ),
    Option(
        "sql_rows_max", "OTEL_LLM_COLLECTOR_SQL_ROWS_MAX", 1_000_000, read_count, "N", True, "Rows of an answer at most"
    ),
    Option(
        "sql_answer_bytes_max",
        "OTEL_LLM_COLLECTOR_SQL_ANSWER_BYTES_MAX",
        64 * MIB,
        read_size,
        "BYTES",
        True,
        "Its bytes at most",
    ),
    Option(
        "sql_send_seconds_max",
        "OTEL_LLM_COLLECTOR_SQL_SEND_SECONDS_MAX",
        60,
        read_seconds,
        "SECONDS",
        True,
        "How long a client may take to read it",
    ),
    Option(
        "sql_tenants_all",
        "OTEL_LLM_COLLECTOR_SQL_TENANTS_ALL",
        [],
        read_names,
        "TENANT",
        True,
        "Tenant that sees all rows. Repeatable",
    ),
    Option(
        "sql_niceness",
        "OTEL_LLM_COLLECTOR_SQL_NICENESS",
        19,
        at_most(19, read_count),
        "N",
        False,
        "How far queries stand back: 0 to 19",
    ),
)

"""How long what came in is kept."""

from __future__ import annotations

from typing import Final

from .option import Option
from .values import GIB, read_days, read_keys, read_size

KEEPING: Final = (
    Option(
        "archive_days",
        "OTEL_LLM_COLLECTOR_ARCHIVE_DAYS",
        7,
        read_days,
        "DAYS",
        True,
        "How long converted requests are kept as they came",
    ),
    Option(
        "archive_bytes_max",
        "OTEL_LLM_COLLECTOR_ARCHIVE_BYTES_MAX",
        16 * GIB,
        read_size,
        "BYTES",
        True,
        "How much of them is kept at most",
    ),
    Option(
        "spans_days",
        "OTEL_LLM_COLLECTOR_SPANS_DAYS",
        400,
        read_days,
        "DAYS",
        True,
        "How long spans are kept, with what they cost",
    ),
    Option(
        "messages_days",
        "OTEL_LLM_COLLECTOR_MESSAGES_DAYS",
        30,
        read_days,
        "DAYS",
        True,
        "How long content is kept: prompts and answers; and what is in quarantine",
    ),
    Option(
        "logs_days",
        "OTEL_LLM_COLLECTOR_LOGS_DAYS",
        30,
        read_days,
        "DAYS",
        True,
        "How long log records are kept, which may hold content, too",
    ),
    Option(
        "metrics_days",
        "OTEL_LLM_COLLECTOR_METRICS_DAYS",
        90,
        read_days,
        "DAYS",
        True,
        "How long metrics are kept",
    ),
    Option(
        "scores_days",
        "OTEL_LLM_COLLECTOR_SCORES_DAYS",
        400,
        read_days,
        "DAYS",
        True,
        "How long scores are kept",
    ),
    Option(
        "repriced_costs_days",
        "OTEL_LLM_COLLECTOR_REPRICED_COSTS_DAYS",
        400,
        read_days,
        "DAYS",
        True,
        "How long the figures of `otel-llm reprice` are kept",
    ),
    Option(
        "rollup_properties",
        "OTEL_LLM_COLLECTOR_ROLLUP_PROPERTIES",
        [],
        read_keys,
        "KEY",
        False,
        "Property by which calls are added up beforehand, too, of few values: department, team ... Repeatable",
    ),
    Option(
        "alerts_days",
        "OTEL_LLM_COLLECTOR_ALERTS_DAYS",
        400,
        read_days,
        "DAYS",
        True,
        "How long it is kept which alerts fired and resolved",
    ),
)

"""Where spans come in, who may send them, and how much."""

from __future__ import annotations

from typing import Final

from ..config import ALERTS_ENV, CONTRACTS_ENV, DATA_DEFAULT, DATA_ENV, DEPLOYMENTS_ENV
from .mappings import read_deployments, read_destinations, read_enriched, read_tokens
from .option import Option
from .values import GIB, MIB, at_most, read_address, read_bucket, read_origins, read_size, read_text

#: What protobuf and gRPC can hold.
_BODY_BYTES_MAX: Final = 2**31 - 1

RECEIVING: Final = (
    Option("data", DATA_ENV, DATA_DEFAULT, read_text, "DIR", False, "Data directory"),
    Option(
        "lake",
        "OTEL_LLM_COLLECTOR_LAKE",
        "",
        read_bucket,
        "URL",
        False,
        "Keep the tables in this bucket, s3://BUCKET/FOLDER, and the journal alone in the data directory",
    ),
    Option(
        "http",
        "OTEL_LLM_COLLECTOR_HTTP",
        "127.0.0.1:4318",
        read_address,
        "HOST:PORT",
        False,
        "Address for OTLP/HTTP; port 0 takes a free one",
    ),
    Option(
        "grpc",
        "OTEL_LLM_COLLECTOR_GRPC",
        "127.0.0.1:4317",
        read_address,
        "HOST:PORT",
        False,
        "Address for OTLP/gRPC; port 0 takes a free one",
    ),
    Option(
        "forward",
        "OTEL_LLM_COLLECTOR_FORWARD",
        [],
        read_destinations,
        "URL",
        True,
        "Hand everything on to this OTLP receiver: http(s)://HOST:PORT or grpc(s)://. Repeatable",
    ),
    Option(
        "forward_enriched",
        "OTEL_LLM_COLLECTOR_FORWARD_ENRICHED",
        [],
        read_enriched,
        "URL",
        True,
        "The same, each span of a model with our cost and the conventions' attributes added. Repeatable",
    ),
    Option(
        "contracts",
        CONTRACTS_ENV,
        "",
        read_text,
        "FILE",
        True,
        "Contract prices, TOML or YAML; without, list prices",
    ),
    Option(
        "deployments",
        DEPLOYMENTS_ENV,
        {},
        read_deployments,
        "NAME=MODEL",
        True,
        "Deployments and the models behind them, as name=model pairs: chat-prod=gpt-4o",
    ),
    Option(
        "alerts",
        ALERTS_ENV,
        "",
        read_text,
        "FILE",
        True,
        "Rules of alerts, TOML: a process of its own looks at them",
    ),
    Option(
        "tokens",
        "OTEL_LLM_COLLECTOR_TOKENS",
        {},
        read_tokens,
        "",
        True,
        "Bearer tokens that are let in, as tenant=token pairs; rows carry the tenant. Without any, all are let in",
    ),
    Option(
        "tls_certificate",
        "OTEL_LLM_COLLECTOR_TLS_CERTIFICATE",
        "",
        read_text,
        "FILE",
        True,
        "Certificate chain, PEM: both doors speak TLS. A changed file is read by SIGHUP",
    ),
    Option("tls_key", "OTEL_LLM_COLLECTOR_TLS_KEY", "", read_text, "FILE", True, "Its private key, PEM"),
    Option(
        "tls_client_authority",
        "OTEL_LLM_COLLECTOR_TLS_CLIENT_AUTHORITY",
        "",
        read_text,
        "FILE",
        False,
        "Who has no certificate of these authorities (PEM) is not let in",
    ),
    Option(
        "cors_origins",
        "OTEL_LLM_COLLECTOR_CORS_ORIGINS",
        [],
        read_origins,
        "ORIGIN",
        True,
        "Web pages of this origin (https://HOST, or *) may send from the browser. Repeatable",
    ),
    Option(
        "body_bytes_max",
        "OTEL_LLM_COLLECTOR_BODY_BYTES_MAX",
        64 * MIB,
        at_most(_BODY_BYTES_MAX, read_size),
        "BYTES",
        False,
        "Largest request, before and after decompression",
    ),
    Option(
        "memory_bytes_max",
        "OTEL_LLM_COLLECTOR_MEMORY_BYTES_MAX",
        192 * MIB,
        read_size,
        "BYTES",
        True,
        "Requests in memory at once; above it clients are told to wait",
    ),
    Option(
        "journal_bytes_max",
        "OTEL_LLM_COLLECTOR_JOURNAL_BYTES_MAX",
        8 * GIB,
        read_size,
        "BYTES",
        True,
        "Journal that is not converted yet; above it clients are told to wait",
    ),
    Option(
        "disk_free_bytes_min",
        "OTEL_LLM_COLLECTOR_DISK_FREE_BYTES_MIN",
        256 * MIB,
        read_size,
        "BYTES",
        True,
        "Room that is left free on the disk; below it clients are told to wait",
    ),
)

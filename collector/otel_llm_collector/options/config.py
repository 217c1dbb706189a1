"""The values of all options, which a row each reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from otel_llm_semconv.tables import DERIVED, TABLES

from ..forward import Destination

#: Table -> the option that says how long its rows are kept.
KEPT_DAYS: Final = {table: f"{table}_days" for table in TABLES if table not in DERIVED}
_LOOPBACK: Final = frozenset({"localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Config:
    """The values of all options, as the processes of a collector need them. `tokens` is token -> tenant."""

    data: str
    lake: str
    http: str
    grpc: str
    forward: tuple[Destination, ...]
    forward_enriched: tuple[Destination, ...]
    contracts: str
    deployments: Mapping[str, str]
    alerts: str
    tokens: Mapping[str, str]
    tls_certificate: str
    tls_key: str
    tls_client_authority: str
    cors_origins: tuple[str, ...]
    body_bytes_max: int
    memory_bytes_max: int
    journal_bytes_max: int
    disk_free_bytes_min: int
    archive_days: float
    archive_bytes_max: int
    spans_days: float
    messages_days: float
    logs_days: float
    metrics_days: float
    scores_days: float
    repriced_costs_days: float
    rollup_properties: tuple[str, ...]
    alerts_days: float
    sql_queries_max: int
    sql_seconds_max: float
    sql_memory_bytes_max: int
    sql_rows_max: int
    sql_answer_bytes_max: int
    sql_send_seconds_max: float
    sql_tenants_all: tuple[str, ...]
    sql_niceness: int
    log_level: str
    log_format: str

    @property
    def targets(self) -> tuple[Destination, ...]:
        """All that is forwarded to."""
        return self.forward + self.forward_enriched

    @property
    def kept_days(self) -> dict[str, float]:
        """How long the rows of each table are kept."""
        return {table: getattr(self, option) for table, option in KEPT_DAYS.items()}

    def dump(self) -> str:
        """As one line, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Config:
        """What `dump` has written."""
        given: dict[str, Any] = json.loads(text)
        for name in ("forward", "forward_enriched"):
            given[name] = tuple(Destination(**one) for one in given[name])
        lists = {name: tuple(given[name]) for name in ("cors_origins", "rollup_properties", "sql_tenants_all")}
        return cls(**given | lists)


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT can be reached from this machine alone."""
    host = address.rpartition(":")[0].strip("[]")
    return host in _LOOPBACK or host.startswith("127.")

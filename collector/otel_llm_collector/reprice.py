"""`otel-llm reprice`: a second, versioned figure beside the billed one. The billed one stays.

Reads the counted calls of a time, prices each by the prices and contracts that are given, adds the results to the table
`repriced_costs` under one run's id, and tells the difference by model.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otel_llm_semconv import attributes as a
from otel_llm_semconv.pricing import price_at, quote
from otel_llm_semconv.pricing.contracts import Contracts
from otel_llm_semconv.usage import FIELDS, Usage

from .decode import spans_of
from .lake import files
from .lake.log import DataFile, LakeTable
from .normalise import declared, fit, normalise
from .query import Selection
from .query.opening import fill, question
from .rebuild import resource_spans

if TYPE_CHECKING:
    import duckdb

TABLE: Final = "repriced_costs"
#: Rows in memory at most.
_ROWS_MAX: Final = 15_000
_SUM: Final = pa.decimal128(38, 12)
_COLUMNS: Final[dict[str, pa.DataType]] = {
    "model": pa.string(),
    "calls": pa.int64(),
    "billed_usd": _SUM,
    "repriced_usd": _SUM,
    "difference_usd": _SUM,
    "newly_priced": pa.int64(),
    "no_longer_priced": pa.int64(),
}
_SCHEMA: Final = pa.schema(_COLUMNS)
_RUN_SEGMENT: Final = 1  # a run is committed once


@dataclass(slots=True)
class Difference:
    """What one model's calls cost by both price lists, in USD; calls that one of them cannot price are counted.

    A sum is None where none of the calls has a price.
    """

    model: str | None
    calls: int = 0
    billed_usd: Decimal | None = None
    repriced_usd: Decimal | None = None
    newly_priced: int = 0
    no_longer_priced: int = 0

    @property
    def difference_usd(self) -> Decimal | None:
        """Positive where the calls would have cost more."""
        if self.billed_usd is None or self.repriced_usd is None:
            return None
        return self.repriced_usd - self.billed_usd

    def add(self, billed: Decimal | None, repriced: Decimal | None) -> None:
        self.calls += 1
        self.newly_priced += billed is None and repriced is not None
        self.no_longer_priced += billed is not None and repriced is None
        if billed is not None:
            self.billed_usd = billed + (self.billed_usd or 0)
        if repriced is not None:
            self.repriced_usd = repriced + (self.repriced_usd or 0)


@dataclass(slots=True)
class Run:
    """One run over a lake: its id, and what it found by model."""

    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    run_time: datetime = field(default_factory=lambda: datetime.now(UTC))
    models: dict[str | None, Difference] = field(default_factory=dict)

    def row(self, call: dict[str, Any], contracts: Contracts) -> dict[str, Any]:
        """The row of a call, which is added to its model's sums."""
        price = _price(call, contracts)
        figure: dict[str, Any] = {"cost_usd": price.amount, "cost_status": price.status}
        figure |= declared(call | figure)
        found = self.models.setdefault(call["model"], Difference(call["model"]))
        found.add(call["billed_usd"], figure["cost_usd"])
        return figure | {
            "row_id": call["row_id"],
            "date": call["date"],
            "trace_id": call["trace_id"],
            "price_version": price.version,
            "billed_usd": call["billed_usd"],
            "run_id": self.run_id,
            "run_time": self.run_time,
        }

    def table(self) -> pa.Table:
        """A row a model, the largest difference first."""
        found = sorted(self.models.values(), key=lambda one: (-abs(one.difference_usd or Decimal(0)), str(one.model)))
        return pa.Table.from_pylist([{name: getattr(one, name) for name in _SCHEMA.names} for one in found], _SCHEMA)


def reprice(connection: duckdb.DuckDBPyConnection, data: Path, chosen: Selection, contracts: Contracts) -> Run:
    """Price the chosen calls anew by the prices in use, and keep the figures in the lake of `data`."""
    run, table, written = Run(), LakeTable(data, TABLE), list[DataFile]()
    rows = (run.row(call, contracts) for call in _calls(connection, chosen))
    while portion := list(itertools.islice(rows, _ROWS_MAX)):
        written += files.write_rows(table, files.as_table(TABLE, portion), f"reprice-{run.run_id}")
    if written:
        table.append(written, f"reprice-{run.run_id}", _RUN_SEGMENT)
    return run


def _calls(connection: duckdb.DuckDBPyConnection, chosen: Selection) -> Iterator[dict[str, Any]]:
    query = fill(
        question("reprice"), counts=", ".join(FIELDS), filter=" AND ".join(chosen.conditions), where=chosen.where
    )
    for batch in connection.sql(query, params=chosen.parameters).to_arrow_reader(_ROWS_MAX):
        yield from batch.to_pylist(maps_as_pydicts="strict")


def price_of_row(row: dict[str, Any], contracts: Contracts) -> dict[str, Any]:
    """The columns that a price fills in, of a row of `spans` with its maps as pairs, by the row's own columns."""
    endpoint = dict(row["attributes"] or ()).get(a.SERVER_ADDRESS, "")
    beside = {"place": row["inference_place"], "endpoint": endpoint, "properties": dict(row["properties"] or ())}
    if _is_broken(row):
        beside["cost_status"] = quote.INCONSISTENT_USAGE
    priced = _price({**row, **beside, "start_s": int(row["start_time"].timestamp())}, contracts)
    found = {"cost_usd": priced.amount, "cost_status": priced.status, "price_version": priced.version}
    found |= {f"cost_{component}_usd": amount for component, amount in priced.components.items()}
    return found | declared(row | found)


def _is_broken(row: Mapping[str, Any]) -> bool:
    """Where a count was sent that is none, such as -1: it has no column, so what was sent is read once more."""
    if row["span_id"] is None or not any(text.startswith("-") for _, text in row["attributes"] or ()):
        return False
    (record,) = spans_of(ExportTraceServiceRequest(resource_spans=[resource_spans(row)]))
    return normalise(record, row["start_time_ns"]).row.get("cost_status") == quote.INCONSISTENT_USAGE


def _price(call: Mapping[str, Any], contracts: Contracts) -> quote.Price:
    if call["cost_status"] == quote.INCONSISTENT_USAGE:  # by no prices does usage become whole
        return quote.Price(quote.INCONSISTENT_USAGE)
    provider, answered, asked = call["provider"], call["response_model"], call["request_model"]
    models = (answered, call["deployed_model"] or contracts.deployed(asked, answered), asked)
    contract = None
    if contracts.rows and provider:
        contract = contracts.find(provider, models, call["start_time"], call["endpoint"], call["properties"] or {})
    priced = price_at(
        provider,
        models,
        Usage(**{name: call[name] for name in FIELDS}),
        call["start_s"],
        service_tier=call["service_tier"],
        place=call["place"],
        usage_status=call["usage_status"],
        contract=contract,
        adviser=call["advisor_model"],
    )
    return fit(priced)

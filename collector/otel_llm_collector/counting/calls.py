"""The calls among rows of `spans`: the few columns by which rows that tell of the same call are known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans

from otel_llm_semconv import attributes as a
from otel_llm_semconv import usage
from otel_llm_semconv.models import undated
from otel_llm_semconv.pricing import quote

from .reasons import CACHED, ECHO

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
#: Parts of the tokens: who tells more of them tells more of what the call cost.
_PARTS: Final = tuple(name for name in usage.FIELDS if name not in ("input_tokens", "output_tokens"))
_NO_CALLS: Final = (CACHED, ECHO)
#: Dialects of proxies.
_PROXIES: Final = ("agentgateway", "litellm_v1", "litellm_v2")
#: Operations that are something else than to generate, as emitters call each other's calls, by whatever name.
_KINDS_APART: Final = frozenset({a.OPERATION_EMBEDDINGS, a.OPERATION_RERANK})
_GENERATION: Final = "generation"
#: Columns that are taken as they stand in `spans`.
_TAKEN: Final = (
    "row_id", "date", "trace_id", "span_id", "parent_span_id", "start_time_ns", "duration_ns", "kind", "status",
    "service_name", "operation", "request_model", "response_model", "response_id", "session_id", "input_tokens",
    "output_tokens", "reasoning_tokens", "usage_status", "cost_status", "is_llm_call", "not_counted_reason",
    "continues", "dialect", "tenant",
)  # fmt: skip
#: Columns of `spans` that counting reads.
READ: Final = tuple(dict.fromkeys((*_TAKEN, *_PARTS, "scope")))
_PRICED: Final = frozenset(
    {quote.EXACT, quote.ASSUMED_TTL, quote.ASSUMED_TIER, quote.ESTIMATED_TOKENS, quote.PROVIDER_DECLARED}
)
_RANK_OF_USAGE: Final = {usage.REPORTED: 2, usage.PARTIAL: 1, usage.ESTIMATED: 1}


@dataclass(slots=True, eq=False)
class Call:
    """A row that tells of a call. `emitter` is who told it: scope, service, and whether by a span or an event.

    `models` are the names without dates. `tokens` are input and output, None where neither is told; `parts` how many
    parts of them are. `family` is the same
    for rows that were looked at together before, and belong together; None where it is not known.
    """

    row_id: str
    trace: str | None
    span: str | None
    parent: str | None
    start: int
    end: int
    emitter: str
    scope: str
    service: str
    dialect: str
    is_proxy: bool
    has_failed: bool
    operation: str | None
    kind: str
    models: frozenset[str]
    response_id: str | None
    session: str | None
    tokens: tuple[int, int] | None
    thought: int
    parts: int
    usage_rank: int
    is_priced: bool
    is_counted: bool
    reason: str | None
    continues: str | None
    tenant: str | None
    family: str | None

    @property
    def is_event(self) -> bool:
        """Told by a log record: it has no span of its own."""
        return self.span is None

    @property
    def has_failed_untold(self) -> bool:
        """Failed, and nobody says what it used."""
        return self.has_failed and self.tokens is None


def looks_like_one(rows: pa.Table) -> Any:
    """Where a row looks like a call."""
    is_told_again = _is_any(rows["not_counted_reason"], _NO_CALLS)
    is_one = _is_any(rows["operation"], a.INFERENCE_OPERATIONS)
    has_tokens = pc.or_(pc.is_valid(rows["input_tokens"]), pc.is_valid(rows["output_tokens"]))
    has_model = pc.or_(_says(rows["request_model"]), _says(rows["response_model"]))
    is_unnamed = pc.and_not(pc.and_(has_tokens, has_model), _is_any(rows["operation"], a.OTHER_OPERATIONS))
    return pc.and_not(pc.or_(is_one, is_unnamed), is_told_again)


def _is_any(texts: Any, values: Iterable[str]) -> Any:
    return pc.is_in(texts, value_set=pa.array(values, pa.string()))


def _says(texts: Any) -> Any:
    return pc.fill_null(pc.not_equal(texts, ""), False)


def calls_of(rows: pa.Table) -> pa.Table:
    """The rows that look like a call, in narrow columns; `scope` is its name, and what takes several is computed."""
    is_one, rows = looks_like_one(rows), rows.select(READ)
    if not pc.all(is_one, min_count=0).as_py():
        rows = rows.filter(is_one)
    scope = _names(rows["scope"])
    told_by = pc.if_else(pc.is_null(rows["span_id"]), "event", "span")
    emitter = pc.binary_join_element_wise(told_by, scope, pc.fill_null(rows["service_name"], ""), " ")
    told = (pc.cast(pc.greater(pc.fill_null(rows[name], 0), 0), pa.int8()) for name in _PARTS)
    is_server = pc.fill_null(pc.equal(rows["kind"], "SERVER"), False)
    is_proxy = pc.or_(_is_any(rows["dialect"], _PROXIES), is_server)
    family = pa.nulls(rows.num_rows, pa.string())
    added = {"scope": scope, "emitter": emitter, "parts": reduce(pc.add, told), "is_proxy": is_proxy, "family": family}
    taken = rows.select(_TAKEN)
    for name, column in added.items():
        taken = taken.append_column(name, column)
    return taken


def read(calls: pa.Table) -> list[Call]:
    """The calls of a narrow table, one by one."""
    return [_call(row) for row in calls.to_pylist()]


def _call(row: dict[str, Any]) -> Call:
    start = row["start_time_ns"]
    input_tokens, output_tokens = row["input_tokens"], row["output_tokens"]
    is_told = input_tokens is not None or output_tokens is not None
    return Call(
        row_id=row["row_id"],
        trace=row["trace_id"],
        span=row["span_id"],
        parent=row["parent_span_id"],
        start=start,
        end=start + max(0, row["duration_ns"] or 0),
        emitter=row["emitter"],
        scope=row["scope"],
        service=row["service_name"] or "",
        dialect=row["dialect"] or "",
        is_proxy=row["is_proxy"],
        has_failed=row["status"] == "ERROR",
        operation=row["operation"],
        kind=row["operation"] if row["operation"] in _KINDS_APART else _GENERATION,
        models=frozenset(undated(name) for name in (row["request_model"], row["response_model"]) if name),
        response_id=row["response_id"] or None,
        session=row["session_id"],
        tokens=(input_tokens or 0, output_tokens or 0) if is_told else None,
        thought=row["reasoning_tokens"] or 0,
        parts=row["parts"],
        usage_rank=_RANK_OF_USAGE.get(row["usage_status"], 0) if is_told else 0,
        is_priced=row["cost_status"] in _PRICED,
        is_counted=bool(row["is_llm_call"]),
        reason=row["not_counted_reason"],
        continues=row["continues"],
        tenant=row["tenant"],
        family=row["family"],
    )


def _names(scopes: Any) -> Any:
    """The names of scopes that are stored as protobuf: each that differs is read once."""
    encoded = scopes.combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    names = [ScopeSpans.FromString(blob).scope.name if blob else "" for blob in encoded.dictionary.to_pylist()]
    return pc.fill_null(pa.array(names, pa.string()).take(encoded.indices), "")

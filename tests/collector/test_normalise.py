"""From spans to rows: promoted columns, money, and nothing lost."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from rig import otlp

from otel_llm_collector.decode import SpanRecord, read_spans
from otel_llm_collector.normalise import Normalised, normalise
from otel_llm_semconv.pricing.contracts import Contracts, read

RECEIVED = 1_760_000_000_000_000_000  # 2025-10-09 08:53:20 UTC
DAY = 86_400_000_000_000


def rows_of(span: Span) -> Normalised:
    (record,) = read_spans(otlp.request(span).SerializeToString())
    return normalise(record, RECEIVED)


def row_of(attributes: dict[str, Any]) -> dict[str, Any]:
    return rows_of(otlp.span(attributes)).row


def test_a_call_becomes_a_priced_row() -> None:
    row = row_of(otlp.chat(1000, 200, **{"gen_ai.usage.cache_read.input_tokens": 400}))
    assert row["is_llm_call"] is True
    assert (row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) == (1000, 400, 200)
    assert row["cost_input_usd"] == Decimal("0.000090000000")
    assert row["cost_cache_read_usd"] == Decimal("0.000030000000")
    assert row["cost_output_usd"] == Decimal("0.000120000000")
    assert row["cost_usd"] == Decimal("0.000240000000")
    assert (row["cost_status"], row["usage_status"], row["dialect"]) == ("exact", "reported", "genai")


def test_an_adviser_is_priced_by_its_own_model() -> None:
    advised = {"otel_llm.usage.advisor.input_tokens": 1000, "otel_llm.usage.advisor.output_tokens": 100}
    row = row_of(otlp.chat(1000, 200) | advised | {"otel_llm.usage.advisor.model": "gpt-4o"})
    assert (row["advisor_input_tokens"], row["advisor_output_tokens"], row["advisor_model"]) == (1000, 100, "gpt-4o")
    assert (row["input_tokens"], row["output_tokens"]) == (1000, 200)
    assert row["cost_input_usd"] == Decimal("0.000150") + Decimal("0.0025")
    assert row["cost_output_usd"] == Decimal("0.000120") + Decimal("0.0010")
    assert (row["cost_usd"], row["cost_status"]) == (Decimal("0.003770"), "exact")
    unnamed = row_of(otlp.chat(1000, 200) | advised)
    assert (unnamed["cost_usd"], unnamed["cost_status"]) == (None, "unknown_model")


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ({"gen_ai.response.model": "nobody-knows-1", "gen_ai.request.model": "nobody-knows"}, "unknown_model"),
        ({"gen_ai.usage.cache_read.input_tokens": 2000}, "inconsistent_usage"),
        ({"gen_ai.usage.input_tokens": 1 << 62}, "inconsistent_usage"),
        ({"gen_ai.usage.input_tokens": -2}, "inconsistent_usage"),
        ({"gen_ai.usage.input_tokens": "many", "gen_ai.usage.output_tokens": True}, "missing_usage"),
    ],
)
def test_what_cannot_be_priced_is_null_with_a_reason(attributes: dict[str, Any], status: str) -> None:
    row = row_of(otlp.chat() | attributes)
    assert (row["cost_usd"], row["cost_status"], row["is_llm_call"]) == (None, status, True)


def test_a_negative_count_is_kept_where_no_sum_meets_it() -> None:
    row = row_of(otlp.chat() | {"gen_ai.usage.input_tokens": -2})
    assert row.get("input_tokens") is None
    assert dict(row["attributes"])["gen_ai.usage.input_tokens"] == "-2"


@pytest.mark.parametrize("spelling", ["cache_write", "cache_creation"])
def test_both_spellings_of_cache_writes_are_read(spelling: str) -> None:
    name = f"gen_ai.usage.{spelling}.input_tokens"
    assert row_of(otlp.chat(**{name: 30}))["cache_write_tokens"] == 30
    assert row_of(otlp.chat(**{name: -30})).get("cache_write_tokens") is None


def test_the_requested_model_prices_a_call_whose_answer_has_an_unknown_name() -> None:
    row = row_of(otlp.chat() | {"gen_ai.response.model": "my-deployment"})
    assert (row["cost_usd"], row["cost_status"]) == (Decimal("0.000270000000"), "exact")


def test_a_declared_cost_counts_only_where_no_price_is_known() -> None:
    declared = {"gen_ai.usage.cost.amount": 0.5, "gen_ai.usage.cost.source": "provider"}
    known = row_of(otlp.chat(**declared))
    assert (known["cost_usd"], known["emitted_cost_usd"]) == (Decimal("0.000270000000"), Decimal("0.5"))
    unknown = {"gen_ai.response.model": "nobody-knows-1", "gen_ai.request.model": "nobody-knows"}
    row = row_of(otlp.chat(**declared, **unknown))
    assert (row["cost_usd"], row["cost_status"]) == (Decimal("0.5"), "provider_declared")


def test_an_echo_of_a_call_is_not_counted() -> None:
    row = row_of(otlp.chat(1000, 200, **{"otel_llm.echo": True}))
    assert (row["is_llm_call"], row["not_counted_reason"], row["cost_status"]) == (False, "echo", "not_counted")
    assert row.get("cost_usd") is None


def test_usage_on_a_parent_is_not_counted() -> None:
    row = row_of(otlp.chat() | {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "triage"})
    assert (row["is_llm_call"], row["not_counted_reason"], row["cost_status"]) == (False, "rollup", "not_counted")
    assert row.get("cost_usd") is None


def test_a_plain_span_is_a_row_without_a_dialect() -> None:
    row = row_of({"http.request.method": "GET"})
    assert (row["is_llm_call"], row["dialect"], row.get("cost_status")) == (False, None, None)
    assert row["attributes"] == [("http.request.method", "GET")]


def test_content_goes_to_messages_alone() -> None:
    normalised = rows_of(otlp.span(otlp.chat(**{"gen_ai.input.messages": '[{"role":"user"}]'})))
    assert normalised.message is not None
    assert normalised.message["input_messages"] == '[{"role":"user"}]'
    assert "gen_ai.input.messages" not in dict(normalised.row["attributes"])


def test_session_and_properties() -> None:
    row = row_of({"gen_ai.conversation.id": "c", "otel_llm.property.department": "cardiology"})
    assert (row["session_id"], row["conversation_id"]) == ("c", "c")
    assert row["properties"] == [("department", "cardiology")]
    row = row_of({"gen_ai.conversation.id": "c", "session.id": "s", "otel_llm.property.beds": 7})
    assert row["session_id"] == "s"
    assert row["properties"] == [("beds", "7")]
    assert ("otel_llm.property.beds", "7") in row["attributes"]


@pytest.mark.parametrize(
    ("start", "duration", "flag", "began"),
    [
        (0, 5, "zero_time", "2025-10-09T08:53:20+00:00"),
        ((1 << 64) - 1, 0, "out_of_range", "2025-10-09T08:53:20+00:00"),
        (RECEIVED - 401 * DAY, 5, "out_of_range", "2025-10-09T08:53:20+00:00"),
        (RECEIVED + 2 * DAY, 5, "out_of_range", "2025-10-09T08:53:20+00:00"),
        (RECEIVED - 399 * DAY, 5, None, "2024-09-05T08:53:20+00:00"),
        (RECEIVED + DAY // 2, 5, None, "2025-10-09T20:53:20+00:00"),
        (RECEIVED, -5, "end_before_start", "2025-10-09T08:53:20+00:00"),
        (RECEIVED, DAY, None, "2025-10-09T08:53:20+00:00"),
        (RECEIVED, DAY + 1, "end_out_of_range", "2025-10-09T08:53:20+00:00"),
        (RECEIVED, (1 << 64) - 1 - RECEIVED, "end_out_of_range", "2025-10-09T08:53:20+00:00"),
    ],
)
def test_odd_clocks_are_kept_and_flagged(start: int, duration: int, flag: str | None, began: str) -> None:
    row = rows_of(otlp.span(start_ns=start, duration_ns=duration)).row
    assert (row["clock_flag"], row["start_time"].isoformat()) == (flag, began)
    assert row["date"] == row["start_time"].date()
    assert row["start_time_ns"] % (1 << 64) == start


def test_a_value_of_another_type_stays_among_the_attributes() -> None:
    row = row_of(otlp.chat() | {"gen_ai.usage.input_tokens": 12.0, "user.id": 7, "gen_ai.request.stream": "yes"})
    assert (row["input_tokens"], row["user_id"]) == (12, "7")
    assert set(row["derived"]) == {"input_tokens", "user_id"}
    assert row.get("stream") is None
    assert dict(row["attributes"])["user.id"] == "7"
    letters = dict(zip([name for name, _ in row["attributes"]], row["attribute_types"], strict=True))
    assert (letters["user.id"], letters["gen_ai.usage.input_tokens"], letters["gen_ai.request.stream"]) == (
        "i",
        "d",
        "s",
    )


def test_every_value_type_keeps_its_letter() -> None:
    nested = AnyValue()
    nested.kvlist_value.values.append(KeyValue(key="k", value=AnyValue(int_value=1)))
    span = otlp.span({"s": "x", "i": 1, "d": 0.1, "b": True, "y": b"\0\xff", "j": ["a", "b"], "o": ["a", 1]})
    span.attributes.append(KeyValue(key="kv", value=nested))
    span.attributes.append(KeyValue(key="n", value=AnyValue()))
    row = rows_of(span).row
    assert row["attribute_types"] == "sidbyjoon"
    assert dict(row["attributes"]) | {"o": "", "kv": ""} == {
        "s": "x",
        "i": "1",
        "d": "0.1",
        "b": "true",
        "y": "AP8=",
        "j": '["a", "b"]',
        "o": "",
        "kv": "",
        "n": "",
    }


def test_what_has_no_column_survives_in_the_side() -> None:
    span = otlp.span({"a": 1})
    span.attributes.append(KeyValue(key="a", value=AnyValue(int_value=2)))
    span.links.add(trace_id=b"\1" * 16, span_id=b"\2" * 8)
    span.events.add(name="retry", time_unix_nano=5)
    span.trace_state, span.flags, span.dropped_attributes_count = "k=v", 257, 3
    span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="boom"))
    unknown = b"\xfa\x07\x02hi"  # field 127, a newer specification's
    row = rows_of(Span.FromString(span.SerializeToString() + unknown)).row
    side = Span.FromString(row["side"])
    assert (len(side.links), side.events[0].name, side.trace_state, side.flags) == (1, "retry", "k=v", 257)
    assert (side.dropped_attributes_count, side.attributes[0].value.int_value) == (3, 2)
    assert unknown in row["side"]
    assert (row["status"], row["status_message"]) == ("ERROR", "boom")
    assert (side.name, side.trace_id, side.status.message) == ("", b"", "")


def test_resource_and_scope_come_back_whole() -> None:
    request = otlp.request(otlp.span(), service="svc", scope="sc")
    request.resource_spans[0].schema_url = "https://example.org/schema"
    (record,) = list[SpanRecord](read_spans(request.SerializeToString()))
    rebuilt = type(request.resource_spans[0]).FromString(record.resource)
    assert (rebuilt.schema_url, len(rebuilt.scope_spans)) == ("https://example.org/schema", 0)
    assert normalise(record, RECEIVED).row["service_name"] == "svc"


@pytest.mark.parametrize("told", [{"otel_llm.deployed_model": "gpt-4o-mini"}, {}])
def test_a_deployment_has_the_price_of_the_model_behind_it(told: dict[str, str]) -> None:
    """By what the sender says, else by the collector's own settings."""
    names = {"gen_ai.request.model": "chat-prod", "gen_ai.response.model": "chat-prod"}
    unknown = row_of(otlp.chat() | names)
    assert (unknown["cost_usd"], unknown["cost_status"], unknown["deployed_model"]) == (None, "unknown_model", None)
    contracts = Contracts(deployments={} if told else {"chat-prod": "gpt-4o-mini"})
    (record,) = read_spans(otlp.request(otlp.span(otlp.chat() | names | told)).SerializeToString())
    row = normalise(record, RECEIVED, contracts).row
    assert (row["cost_usd"], row["deployed_model"]) == (Decimal("0.000270000000"), "gpt-4o-mini")
    assert row["request_model"] == "chat-prod"


def test_a_contract_is_the_price_of_what_it_covers(tmp_path: Path) -> None:
    path = tmp_path / "contracts.toml"
    path.write_text(
        '[[contract]]\nname = "ward"\nprovider = "openai"\nendpoint = "*.clinic.example"\n'
        'property = { ward = "3" }\nmultiplier = "0.5"\n'
    )
    contracts = read(path)

    def cost_of(**attributes: Any) -> tuple[Decimal | None, str]:
        (record,) = read_spans(otlp.request(otlp.span(otlp.chat(1000, 200, **attributes))).SerializeToString())
        row = normalise(record, RECEIVED, contracts).row
        return row["cost_usd"], row["price_version"].rpartition("+")[2]

    covered = {"server.address": "llm.clinic.example", "otel_llm.property.ward": "3"}
    assert cost_of(**covered) == (Decimal("0.000135000000"), "ward")
    assert cost_of(**covered | {"otel_llm.property.ward": "4"})[0] == Decimal("0.000270000000")
    assert cost_of(**covered | {"server.address": "api.openai.com"})[0] == Decimal("0.000270000000")

"""A row that is priced again, by what its columns say, costs what it did when it was written first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rig import otlp
from rig.told import NOW, Told

from otel_llm_collector.counting.recount import pricer
from otel_llm_collector.counting.settle import apply
from otel_llm_collector.decode import spans_of
from otel_llm_collector.lake import files
from otel_llm_collector.normalise import normalise
from otel_llm_semconv.pricing import contracts

CONTRACTS = """
[[contract]]
name = "ward"
provider = "openai"
property = { ward = "3" }
prices = { input_mtok = "7", output_mtok = "9" }

[[contract]]
name = "endpoint"
provider = "openai"
endpoint = "llm.example"
multiplier = "0.5"
"""
UNKNOWN = {"gen_ai.request.model": "of-a-clinic", "gen_ai.response.model": "of-a-clinic"}
CLAUDE = {
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-opus-4-6",
    "gen_ai.response.model": "claude-opus-4-6",
}
NATIVE = "com.anthropic.sdk.python"
#: What is told -> how it is priced.
CALLS: dict[str, tuple[Told, str]] = {
    "as usual": (Told("a"), "exact"),
    "without usage": (Told("a", attributes={**UNKNOWN, "gen_ai.operation.name": "chat"}), "missing_usage"),
    "of a usage that is no count": (Told("a", attributes=otlp.chat(-1, 5)), "inconsistent_usage"),
    "of a usage that another dialect tells, and is none": (
        Told("a", "openinference.instrumentation.openai", attributes={
            "openinference.span.kind": "LLM", "llm.model_name": "gpt-4o-mini", "llm.provider": "openai",
            "llm.token_count.prompt": -1, "llm.token_count.completion": 5,
        }),
        "inconsistent_usage",
    ),
    "of an estimate": (Told("a", attributes=otlp.chat() | {"otel_llm.usage.status": "estimated"}), "estimated_tokens"),
    "at a tier": (Told("a", attributes=otlp.chat() | {"openai.response.service_tier": "batch"}), "exact"),
    "at a tier that its dialect tells": (
        Told("a", NATIVE, attributes=otlp.chat() | CLAUDE | {"anthropic.response.service_tier": "batch"}),
        "exact",
    ),
    "at a place": (Told("a", attributes=otlp.chat() | CLAUDE | {"otel_llm.inference.place": "us"}), "exact"),
    "of a deployment": (
        Told("a", attributes=otlp.chat() | UNKNOWN | {"otel_llm.deployed_model": "gpt-4o-mini"}),
        "exact",
    ),
    "that only the provider prices": (
        Told("a", attributes=otlp.chat() | UNKNOWN | {
            "gen_ai.usage.cost.amount": 0.5, "gen_ai.usage.cost.source": "provider",
        }),
        "provider_declared",
    ),
    "of a contract's property": (Told("a", attributes=otlp.chat() | {"otel_llm.property.ward": "3"}), "exact"),
    "of a contract's endpoint": (Told("a", attributes=otlp.chat() | {"server.address": "llm.example"}), "exact"),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_a_row_that_counts_after_all_costs_what_it_did(call: str, tmp_path: Path) -> None:
    (tmp_path / "contracts.toml").write_text(CONTRACTS)
    agreed = contracts.read(tmp_path / "contracts.toml")
    told, status = CALLS[call]
    (record,) = spans_of(told.request())
    row: dict[str, Any] = normalise(record, NOW, agreed).row
    assert row["cost_status"] == status
    written = files.as_table("spans", [row])
    left_out = apply(written, {row["row_id"]: "duplicate"})
    assert left_out["cost_usd"].null_count == 1
    assert apply(left_out, {row["row_id"]: None}, pricer(agreed)).to_pylist() == written.to_pylist()

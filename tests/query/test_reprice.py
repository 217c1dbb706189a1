"""Another figure beside the billed one: versioned, exact, and the billed one stays."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from otel_llm_semconv.pricing import quote, source

from .conftest import Run, SmallLake, span

CALL: dict[str, Any] = {"provider": "openai", "response_model": "gpt-4o-mini", "request_model": "gpt-4o-mini"}


@pytest.fixture(autouse=True)
def _own_prices() -> Any:
    """What a run chose is forgotten afterwards."""
    yield
    source._chosen.clear()
    quote.forget()


@pytest.fixture
def billed(lake: SmallLake) -> SmallLake:
    lake.add(
        [
            span(1, cost="0.000255", **CALL, input_tokens=500, output_tokens=300, properties=[("ward", "3")]),
            span(2, cost="0.5", **CALL, input_tokens=500, output_tokens=300),
            span(3, cost=None, **CALL, cost_status="missing_usage"),
            span(4, cost="1", provider="vllm", response_model="clinic-7b", input_tokens=10, output_tokens=10),
            span(5, **CALL, input_tokens=500, output_tokens=300),
            span(6, at=-86_400, cost="7", **CALL, input_tokens=500, output_tokens=300),
        ]
    )
    return lake


def test_the_difference_is_told_by_model_and_kept(billed: SmallLake, run: Run) -> None:
    found = run("reprice", "--since", "2026-11-02", "--format", "json")
    assert found.code == 0
    assert [(row["model"], row["calls"], row["difference_usd"]) for row in found.json] == [
        ("gpt-4o-mini", 3, "-0.499745000000"),
        ("clinic-7b", 1, None),
    ]
    assert [(row["newly_priced"], row["no_longer_priced"]) for row in found.json] == [(0, 0), (0, 1)]
    assert [row["repriced_usd"] for row in found.json] == ["0.000510000000", None]
    rows = run("sql", "SELECT right(row_id, 1), cost_usd, cost_status, billed_usd FROM repriced_costs ORDER BY ALL")
    assert "missing_usage" in rows.out
    kept = run("sql", "--format", "json", "SELECT cost_usd FROM repriced_costs ORDER BY row_id").json
    assert [row["cost_usd"] for row in kept] == ["0.000255000000", "0.000255000000", None, None]
    assert run("sql", "--format", "json", "SELECT sum(cost_usd) AS s FROM llm_calls").json == [{"s": "8.500255000000"}]


def test_a_call_is_priced_again_at_its_tier_whoever_told_it(lake: SmallLake, run: Run) -> None:
    call = CALL | {"input_tokens": 500, "output_tokens": 300, "service_tier": "batch"}
    lake.add([span(1, cost="0.0001275", **call)])
    assert run("reprice", "--format", "json").json[0]["difference_usd"] == "0.000000000000"


def test_what_no_price_list_knows_stays(lake: SmallLake, run: Run) -> None:
    """What only the provider could say, and usage that was broken, of which the columns hold a part."""
    told = {"emitted_cost_usd": Decimal("0.5"), "emitted_cost_source": "provider", "cost_status": "provider_declared"}
    lake.add(
        [
            span(1, cost="0.5", provider="vllm", response_model="clinic-7b", input_tokens=10, output_tokens=10) | told,
            span(2, cost=None, **CALL, output_tokens=300) | {"cost_status": "inconsistent_usage"},
        ]
    )
    for model in run("reprice", "--format", "json").json:
        same = "0.000000000000" if model["billed_usd"] else None
        assert (model["difference_usd"], model["newly_priced"], model["no_longer_priced"]) == (same, 0, 0)


def test_a_deployment_is_priced_again_as_the_model_behind_it(
    lake: SmallLake, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = {"provider": "azure.ai.openai", "request_model": "chat-prod", "input_tokens": 500, "output_tokens": 300}
    lake.add([span(1, cost="0.000255", **call, deployed_model="gpt-4o-mini"), span(2, cost=None, **call)])
    assert run("reprice", "--format", "json").json[0]["repriced_usd"] == "0.000255000000"
    monkeypatch.setenv("OTEL_LLM_DEPLOYMENTS", "chat-prod=gpt-4o-mini")
    assert run("reprice", "--format", "json").json[0]["repriced_usd"] == "0.000510000000"
    monkeypatch.setenv("OTEL_LLM_DEPLOYMENTS", "chat-prod")
    assert "OTEL_LLM_DEPLOYMENTS: not name=value" in run("reprice").err


def test_each_run_is_a_version_of_its_own(billed: SmallLake, run: Run, tmp_path: Path) -> None:
    prices, contracts = tmp_path / "data.json", tmp_path / "contracts.toml"
    model = {"id": "gpt-4o-mini", "match": {"equals": "gpt-4o-mini"}, "prices": {"input_mtok": 1, "output_mtok": 2}}
    provider = {"id": "openai", "name": "OpenAI", "api_pattern": "x", "models": [model]}
    prices.write_text(json.dumps([provider]))
    contracts.write_text('[[contract]]\nname = "ward"\nproperty = { ward = "3" }\nmultiplier = "0.5"\n')
    asked = ["--where", "model = 'gpt-4o-mini' AND cost_usd < 1"]
    assert run("reprice", *asked).code == 0
    (row,) = run("reprice", *asked, "--prices", str(prices), "--contracts", str(contracts), "--format", "json").json
    assert Decimal(row["repriced_usd"]) == Decimal("0.00055") + Decimal("0.0011")
    runs = run(
        "sql", "--format", "json", "SELECT count(*) AS n, sum(cost_usd) AS s FROM repriced_costs GROUP BY run_id"
    )
    assert sorted((one["n"], one["s"]) for one in runs.json) == [(2, "0.000510000000"), (2, "0.001650000000")]
    versions = run("sql", "--format", "json", "SELECT DISTINCT price_version AS v FROM repriced_costs ORDER BY v").json
    assert [one["v"].split("-")[0] for one in versions] == ["genai", "prices", "prices"]
    assert versions[-1]["v"].endswith("+ward")


def test_nothing_is_kept_where_nothing_matches_or_prices_cannot_be_used(
    billed: SmallLake, run: Run, tmp_path: Path
) -> None:
    assert run("reprice", "--until", "2026-11-01").err == "no calls match\n"
    (tmp_path / "data.json").write_text("{}")
    for name in ("data.json", "none.json"):
        assert run("reprice", "--prices", str(tmp_path / name)).code == 2
    assert run("sql", "--format", "json", "SELECT count(*) AS n FROM repriced_costs").json == [{"n": 0}]

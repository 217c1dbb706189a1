"""docs/questions.md: each command finds out again what the story of the history has hidden in the data."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from otel_llm_collector.demo.history import story as s
from otel_llm_collector.demo.history.models import MODELS
from otel_llm_collector.demo.history.questions import QUESTIONS, Question
from otel_llm_collector.demo.history.stage import Made, make

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
Rows = list[dict[str, Any]]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("questions_page", ROOT / "docs/questions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = _load()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The history of the page, however long ago that is by now."""
    folder = tmp_path_factory.mktemp("history") / "clinic"
    return make(folder, PAGE.STORY.days, PAGE.UNTIL, dt.datetime.now(dt.UTC))


def test_the_page_shows_what_is_answered(made: Made) -> None:
    assert PAGE.PAGE.read_text() == PAGE.page(made.data), "run `make docs`"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.key.replace(" ", "-"))
def test_the_answer_is_what_happened(made: Made, question: Question) -> None:
    rows = json.loads(PAGE.answer(made.data, question, made.story, "--format", "json"))
    CHECKS[question.key](rows, made)


def test_every_question_is_checked() -> None:
    assert [question.key for question in QUESTIONS] == [*CHECKS]


# --- what each of them has to find out ----------------------------------------------------------------------------


def spike_by_prompt(rows: Rows, made: Made) -> None:
    assert rows[0]["prompt"] == s.SPIKE_PROMPT
    assert rows[0]["calls"] - rows[0]["calls_before"] > 0.9 * s.SPIKE_CALLS
    change = sum(Decimal(row["change_usd"]) for row in rows)
    assert Decimal(rows[0]["change_usd"]) > Decimal("0.95") * change
    assert_adds_up(rows)


def spike_by_user(rows: Rows, made: Made) -> None:
    assert rows[0]["user"] == s.SPIKE_USER
    assert Decimal(rows[0]["change_usd"]) > 100 * Decimal(rows[1]["change_usd"])
    assert_adds_up(rows)


def assert_adds_up(rows: Rows) -> None:
    drivers = ("volume_usd", "mix_usd", "tokens_usd", "price_usd")
    for row in rows:
        assert sum(Decimal(row[driver]) for driver in drivers) == Decimal(row["change_usd"])


def anomalies(rows: Rows, made: Made) -> None:
    found = {(row["dimension"], row["value"], row["metric"]) for row in rows[:4]}
    assert found == {
        (dimension, value, metric)
        for dimension, value in (("prompt", s.SPIKE_PROMPT), ("user", s.SPIKE_USER))
        for metric in ("calls", "cost_usd")
    }
    assert {row["day"] for row in rows} == {made.story.spike.isoformat()}


def longer_prompt(rows: Rows, made: Made) -> None:
    assert [row["prompt_version"] for row in rows] == ["v1", "v2", s.CHANGED_FROM, s.CHANGED_TO]
    changes = [row["tokens_change"] for row in rows[1:]]
    assert max(map(abs, changes[:2])) < 0.1
    assert 0.35 < changes[2] < 0.45
    assert rows[-1]["usd_change"] > 0.25
    first = dt.datetime.fromisoformat(rows[-1]["first_time"])
    assert first.date() in (made.story.prompt_change, made.story.prompt_change + dt.timedelta(days=1))


def price(rows: Rows, made: Made) -> None:
    assert rows[0]["request_model"] == s.DISCOUNT_MODELS
    before, by_price = Decimal(rows[0]["cost_before_usd"]), Decimal(rows[0]["price_usd"])
    assert before * Decimal("0.9") < by_price < before * Decimal("1.4")  # twice the price of about as many calls
    assert all(abs(Decimal(row["price_usd"])) < by_price / 10 for row in rows[1:])


def month_end(rows: Rows, made: Made) -> None:
    [row] = rows
    low, expected, high = (Decimal(row[name]) for name in ("low_usd", "forecast_usd", "high_usd"))
    spent = cost_until(made, made.story.forecast)
    assert Decimal(row["spent_usd"]) == spent < low < expected < high
    assert low < cost_until(made, made.story.until.date()) < high


def cost_until(made: Made, end: dt.date) -> Decimal:
    month = made.story.forecast.replace(day=1)
    query = f"SELECT sum(cost_usd) AS usd FROM llm_calls WHERE start_time >= '{month}' AND start_time < '{end}'"
    [row] = json.loads(PAGE.answer(made.data, sql(query), made.story, "--format", "json"))
    return Decimal(row["usd"])


def sql(query: str) -> Question:
    return Question("", "", f'sql "{query}"', "")


def what_if(rows: Rows, made: Made) -> None:
    as_it_is, replaced = rows
    assert replaced["scenario"] == "gpt-4o=gemini-2.5-flash"
    assert replaced["spent_usd"] == as_it_is["spent_usd"]
    assert Decimal(as_it_is["spent_usd"]) < Decimal(replaced["forecast_usd"]) < Decimal(as_it_is["forecast_usd"])


def workflow(rows: Rows, made: Made) -> None:
    assert len(rows) == 1 + 47
    agents = [row for row in rows if row["operation"] == "invoke_agent"]
    assert [row["agent_name"] for row in agents] == ["intake", "diagnosis", "pharmacy", "scribe"]
    assert [row["subtree_spans"] for row in agents] == [11, 14, 11, 11]
    total = sum(Decimal(row["subtree_cost_usd"]) for row in agents)
    assert total == Decimal(rows[0]["subtree_cost_usd"]) > 0
    depths = Counter(row["depth"] for row in rows)
    assert depths == {0: 1, 1: 4, 2: 19, 3: 24}


def agents(rows: Rows, made: Made) -> None:
    assert {row["agent"] for row in rows} == {"intake", "diagnosis", "pharmacy", "scribe"}
    assert rows[0]["agent"] in ("diagnosis", "scribe")
    assert sum(row["share"] for row in rows) == pytest.approx(1, abs=1e-5)
    assert sum(Decimal(row["cost_usd"]) for row in rows) > 0


def two_models(rows: Rows, made: Made) -> None:
    found = {row["request_model"]: row for row in rows}
    gemini, gpt = found["gemini-2.5-flash"], found["gpt-4o"]
    assert gemini["usd_per_call"] * 4 < gpt["usd_per_call"]
    assert gemini["p50_ms"] < gpt["p50_ms"]
    assert gemini["error_rate"] > gpt["error_rate"]
    for row in (gemini, gpt):
        assert row["scores"]["faithful"] == pytest.approx(MODELS[row["request_model"]].faithful, abs=0.01)


def department(rows: Rows, made: Made) -> None:
    found = {row["property.department"]: Decimal(row["cost_usd"]) for row in rows}
    assert found.keys() == {"cardiology", "emergency", "oncology", "pediatrics"}
    assert sum(found.values()) == cost_until(made, made.story.until.date())


def gaming(rows: Rows, made: Made) -> None:
    assert rows[0]["user"] == s.GAMING_USER
    others = max(row["input_per_call"] for row in rows[1:])
    assert rows[0]["input_per_call"] > 5 * others


def split(rows: Rows, made: Made) -> None:
    before, *slow, after = rows
    first, end = made.story.slow
    assert [row["day"] for row in slow] == [
        (first + dt.timedelta(days=n)).isoformat() for n in range((end - first).days)
    ]
    for row in rows:
        parts = ("model_ms", "network_ms", "waiting_ms", "services_ms", "own_ms")
        assert sum(row[part] for part in parts) == pytest.approx(row["total_ms"], abs=0.005)
        assert 0 < row["timed_calls"] <= row["calls"]
        assert 30 < row["network_ms"] < 150
    assert all(row["own_ms"] > 20 * max(before["own_ms"], after["own_ms"]) for row in slow)


def first_chunk(rows: Rows, made: Made) -> None:
    for row in rows:
        assert 200 < row["first_chunk_p50_ms"] < row["p50_ms"]
        assert row["tokens_per_s"] == pytest.approx(MODELS[row["request_model"]].tokens_per_s, rel=0.15)


def errors(rows: Rows, made: Made) -> None:
    found = {(row["provider"], row["error"]) for row in rows}
    assert {
        ("openai", "rate_limit_exceeded"),
        ("anthropic", "overloaded_error"),
        ("gcp.gemini", "UNAVAILABLE"),
    } <= found
    assert all(row["attempts"] == 3 for row in rows)
    rates = {row["provider"]: row["error_rate"] for row in rows}
    assert rates["gcp.gemini"] > rates["openai"]


def cache(rows: Rows, made: Made) -> None:
    assert rows[0]["request_model"] == "claude-sonnet-4-5"
    assert 0.3 < rows[0]["hit_rate"] < 0.6
    assert Decimal(rows[0]["saved_usd"]) > 0
    assert rows[0]["cache_write_tokens"] > 0


def session(rows: Rows, made: Made) -> None:
    assert {row["user_id"] for row in rows} == {s.SPIKE_USER}
    assert all(s.SPIKE_USER in row["session"] for row in rows)


def hql(rows: Rows, made: Made) -> None:
    assert {row["department"] for row in rows} == {"cardiology", "emergency", "oncology", "pediatrics"}
    total = cost_until(made, made.story.until.date())
    assert sum(row["usd"] for row in rows) == pytest.approx(float(total), abs=1e-4)


CHECKS: dict[str, Callable[[Rows, Made], None]] = {
    "spike by prompt": spike_by_prompt,
    "spike by user": spike_by_user,
    "anomalies": anomalies,
    "longer prompt": longer_prompt,
    "price": price,
    "month end": month_end,
    "what if": what_if,
    "workflow": workflow,
    "agents": agents,
    "two models": two_models,
    "department": department,
    "gaming": gaming,
    "split": split,
    "first chunk": first_chunk,
    "errors": errors,
    "cache": cache,
    "session": session,
    "hql": hql,
}

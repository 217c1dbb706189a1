"""The questions that are one file each: rows in, rows out; and Helicone's column names over the same calls."""

from __future__ import annotations

from decimal import Decimal
from importlib import resources
from typing import Any

import pytest

from otel_llm.errors import UsageError
from otel_llm_collector import query
from otel_llm_collector.query import QUESTIONS, Table, ask, connect, guard, views_for

from .conftest import Run, SmallLake, span

DAY_S = 86_400


def answer(lake: SmallLake, name: str, by: str | None = None) -> Table:
    with connect(lake.data, views=views_for()) as connection:
        return ask(connection, name, by)


def test_every_question_has_a_file_and_an_answer(clinic: SmallLake) -> None:
    files = {path.name.removesuffix(".sql") for path in resources.files("otel_llm_collector.queries").iterdir()}
    assert QUESTIONS.keys() <= files
    for name in QUESTIONS:
        found = answer(clinic, name)
        assert found.total is not None
        assert found.data.num_rows or name == "prompts", name
        assert set(found.minor) <= set(found.data.column_names), name


def test_a_question_that_is_none_and_a_grouping_that_is_fixed(clinic: SmallLake) -> None:
    with pytest.raises(UsageError, match=r"no question 'costs': cache, cost,"):
        answer(clinic, "costs")
    with pytest.raises(UsageError, match="users is always by user"):
        answer(clinic, "users", "model")


def test_users_have_their_sessions_days_and_means(clinic: SmallLake) -> None:
    ada, nobody, bob = answer(clinic, "users").rows()
    assert (ada["user"], nobody["user"], bob["user"]) == ("ada", None, "bob")
    assert (ada["calls"], ada["sessions"], ada["active_days"], ada["input_per_call"]) == (2, 1, 1, 650)
    assert (ada["cost_usd"], ada["usd_per_call"]) == (Decimal("1.250150000001"), 0.625075)
    assert (bob["cost_usd"], bob["usd_per_call"], bob["unpriced_calls"]) == (None, None, 1)


def test_means_of_users_are_of_what_is_known_and_their_days_those_of_the_zone(lake: SmallLake) -> None:
    def call(number: int, **columns: Any) -> dict[str, Any]:
        return span(number, None, number, at=number * 1800 + 22 * 3600, cost="1", user_id="ada", **columns)

    lake.add([call(1, input_tokens=100), call(2), call(3, input_tokens=2**62), {**call(5), "user_id": "bob"}])
    ada, bob = answer(lake, "users").rows()
    assert (ada["calls"], ada["input_per_call"], ada["active_days"]) == (3, 100, 1)
    assert (bob["input_per_call"], bob["active_days"]) == (None, 1)
    with connect(lake.data, tz="Europe/Berlin") as connection:  # calls at 23:30, 0:00 and 0:30 there
        ada, _ = ask(connection, "users").rows()
    assert ada["active_days"] == 2


def test_sessions_leave_out_calls_without_one(clinic: SmallLake) -> None:
    found = answer(clinic, "sessions")
    (row,) = found.rows()
    assert found.total is not None
    assert (found.total["user_id"], found.total["calls"]) == (None, 2)  # nobody's
    assert (row["session"], row["user_id"], row["calls"], row["duration_s"], row["busy_ms"]) == (
        "s1",
        "ada",
        2,
        1,
        1500,
    )


def test_errors_by_kind_beside_all_calls(lake: SmallLake) -> None:
    def call(number: int, **columns: Any) -> dict[str, Any]:
        return span(number, None, number, at=number, cost="0.1", **{"request_model": "m", **columns})

    failed = {"status": "ERROR", "error_type": "429", "http_status": 429, "attempts": 3}
    lake.add(
        [call(1), call(2), call(3, **failed), call(4, **failed), call(5, status="ERROR"), call(6, request_model="n")]
    )
    found = answer(lake, "errors")
    assert [(row["model"], row["error"], row["errors"], row["calls"], row["error_rate"]) for row in found.rows()] == [
        ("m", "429", 2, 5, 0.4),
        ("m", "unknown", 1, 5, 0.2),
    ]
    first = found.rows()[0]
    assert (first["http_statuses"], first["attempts"], first["lost_usd"]) == ({429: 2}, 3.0, Decimal("0.2"))
    assert first["last_trace_id"] == f"{4:032x}"
    assert found.total is not None
    assert (found.total["errors"], found.total["calls"], found.total["error_rate"]) == (3, 6, 0.5)


def test_versions_of_a_prompt_side_by_side(lake: SmallLake) -> None:
    def call(number: int, version: str, tokens: int, cost: str) -> dict[str, Any]:
        told = {"prompt_name": "triage", "prompt_version": version, "input_tokens": tokens, "output_tokens": 10}
        return span(number, None, number, at=number, cost=cost, **told)

    # Version b came first: what counts is the order of use, not of names.
    lake.add(
        [call(1, "b", 100, "0.10"), call(2, "b", 80, "0.10"), call(3, "a", 130, "0.15"), call(4, "a", 130, "0.15")]
    )
    rows = [
        {"row_id": f"{number:016x}", "date": span(1)["date"], "trace_id": f"{number:032x}", "span_id": f"{number:016x}",
         "name": "helpful", "value": value}
        for number, value in ((1, 1.0), (2, 0.5), (3, 0.25))
    ]  # fmt: skip
    lake.begin("scores")
    lake.add(rows, "scores")
    old, new = answer(lake, "prompts").rows()
    assert (old["prompt_version"], new["prompt_version"]) == ("b", "a")
    assert (old["tokens_change"], old["usd_change"], old["scores"]) == (None, None, {"helpful": 0.75})
    assert (new["tokens_change"], new["usd_change"], new["scores"]) == (0.4, 0.5, {"helpful": 0.25})
    assert (new["input_per_call"], new["usd_per_call"], new["cost_usd"]) == (130.0, 0.15, Decimal("0.30"))


def test_counts_that_are_missing_or_cannot_be_are_no_part_of_a_mean(lake: SmallLake) -> None:
    def call(number: int, version: str, **tokens: int) -> dict[str, Any]:
        return span(
            number, None, number, at=number, ms=number, cost="1", prompt_name="p", prompt_version=version, **tokens
        )

    lake.add(
        [
            call(1, "a", input_tokens=100, output_tokens=10),
            call(2, "a", input_tokens=2**62, output_tokens=2**62),
            call(3, "b"),
            call(4, "c", input_tokens=220),
            call(5, "d", input_tokens=110),
        ]
    )
    a, b, c, d = answer(lake, "prompts").rows()
    assert (a["input_per_call"], a["output_per_call"], a["p50_ms"]) == (100.0, 10.0, 1.5)
    assert (b["input_per_call"], b["tokens_change"], c["tokens_change"], d["tokens_change"]) == (None, None, None, -0.5)


def test_no_failure_is_told_apart_from_no_call(clinic: SmallLake, run: Run) -> None:
    assert run("errors", "--where", "user_id = 'ada'").err == "none of these calls failed\n"
    assert run("errors", "--where", "user_id = 'eve'").err == "no calls match\n"


def test_what_a_cache_saved(lake: SmallLake) -> None:
    """1,000 tokens at 1 USD a million, cached ones at a tenth, written ones at 1.25: worked out by hand."""
    told = {"provider": "p", "request_model": "m", "price_version": "v"}
    plain = {**told, "input_tokens": 1000, "cost_input_usd": Decimal("0.001")}
    written = {**told, "input_tokens": 1000, "cache_write_tokens": 1000, "cost_cache_write_usd": Decimal("0.00125")}
    read = {**told, "input_tokens": 1000, "cache_read_tokens": 1000, "cost_cache_read_usd": Decimal("0.0001")}
    lake.add(
        [
            span(1, None, 1, cost="0.001", **plain),
            span(2, None, 2, cost="0.00125", **written),
            span(3, None, 3, cost="0.0001", **read),
            span(4, None, 4, cost="0.0001", **{**read, "request_model": "n"}),
        ]
    )
    m, n = answer(lake, "cache").rows()
    assert (m["calls"], m["hits"], m["hit_rate"], m["saved_usd"]) == (3, 1, 0.333333, Decimal("0.000650"))
    assert (n["hits"], n["saved_usd"]) == (1, None)  # no call of it says what plain input costs


def test_what_goes_on(clinic: SmallLake) -> None:
    dearest, *_ = answer(clinic, "top").rows()
    assert (dearest["model"], dearest["trend"]) == ("claude-sonnet-4-5", [Decimal("1.25"), *[0] * 11])
    found = answer(clinic, "top").total
    assert found is not None
    assert (found["calls"], found["calls_per_min"], found["errors"]) == (4, 0.0, 1)


def test_top_looks_as_often_as_it_is_told_to(clinic: SmallLake, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    ran = run("top", "--window", "20000d", "--rounds", "2", "--every", "0.2")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("a minute") == 1  # where stdout is no terminal, the last look is what is left
    assert "█" in ran.out


HQL: dict[str, list[tuple[Any, ...]]] = {
    """
    SELECT user_id, sum(cost) / 1e9, countIf(status >= 400) FROM request_response_rmt
    WHERE user_id != '' GROUP BY user_id ORDER BY 2 DESC
    """: [("ada", 1.25015, 0), ("bob", None, 1)],
    """
    SELECT toStartOfDay(request_created_at) AS day, count() FROM request_response_rmt GROUP BY day ORDER BY day
    """: [("2026-11-02", 3), ("2026-11-03", 1)],
    """
    SELECT properties['department'], uniq(user_id) FROM request_response_rmt
    WHERE has(mapKeys(properties), 'department') GROUP BY 1 ORDER BY 1
    """: [("billing", 0), ("triage", 1)],
    """
    SELECT sumIf(prompt_tokens, provider = 'openai'), max(total_tokens), max(latency) FROM request_response_rmt
    """: [(1007, 1050, 1000)],
    """
    SELECT prompt_id, prompt_version FROM request_response_rmt
    WHERE properties['Helicone-Session-Id'] = 's1' AND notEmpty(prompt_id)
    """: [("triage", "2")],
    # the examples of its documentation, over all time
    """
    SELECT request_created_at, request_model, response_body, provider_total_cost FROM request_response_rmt
    WHERE request_created_at > now() - INTERVAL 40000 DAY ORDER BY provider_total_cost DESC LIMIT 1
    """: [("2026-11-02", "claude-sonnet-4-5", None, Decimal("1.25"))],
    """
    SELECT COUNTIf(status BETWEEN 400 AND 599) AS error_count, COUNT() AS total_requests,
      ROUND(error_count / total_requests, 4) AS error_rate
    FROM request_response_rmt WHERE request_created_at >= toDateTime64(now(), 3) - INTERVAL 400000 HOUR
    """: [(1, 4, 0.25)],
    """
    SELECT toDate(request_created_at) AS day, COUNT(DISTINCT user_id) AS dau FROM request_response_rmt
    WHERE request_created_at >= toDateTime64(now(), 3) - INTERVAL 14000 DAY GROUP BY day ORDER BY day
    """: [("2026-11-02", 2), ("2026-11-03", 0)],
    """
    SELECT properties['Helicone-Session-Id'] AS session_id, COUNT(*) AS requests FROM request_response_rmt
    WHERE request_created_at >= toDateTime64(now(), 3) - INTERVAL 7000 DAY
      AND properties['Helicone-Session-Id'] IS NOT NULL
    GROUP BY session_id ORDER BY session_id LIMIT 100
    """: [("s1", 2)],
    # what ClickHouse alone writes so
    """
    SELECT quantile(0.5)(latency), quantiles(0.5, 1)(latency) AS "é", quantileExactIf(0.99)(latency, status = 200),
      quantileTDigest(0.5)(if(latency > 0, latency, 0)) /* quantile(0.5)(x) */, 'quantile(0.5)(x)'
    FROM request_response_rmt
    """: [(280.0, [280.0, 1000.0], 1000, 280.0, "quantile(0.5)(x)")],
    """
    SELECT any(provider), topK(1)(provider), groupArray(1)(provider), uniqExact(model) FROM request_response_rmt
    WHERE provider = any(SELECT 'openai')
    """: [("openai", ["openai"], ["openai"], 1)],
    """
    SELECT DISTINCT arrayJoin(mapKeys(properties)) AS property FROM `request_response_rmt` ORDER BY 1 LIMIT 1, 2
    """: [("Helicone-Session-Id",), ("department",)],
    """
    SELECT multiIf(status >= 500, 'fault', status >= 400, 'wrong', 'well') AS how, count()
    FROM (SELECT status, quantile(0.9)(latency) FROM request_response_rmt GROUP BY status) GROUP BY how ORDER BY how
    """: [("fault", 1), ("well", 1)],
    """
    SELECT toStartOfInterval(request_created_at, INTERVAL 1 HOUR) AS hour, toStartOfWeek(request_created_at),
      toStartOfWeek(request_created_at, 1), toYYYYMM(request_created_at), count()
    FROM request_response_rmt GROUP BY ALL ORDER BY hour
    """: [
        ("2026-11-02", "2026-11-01", "2026-11-02", 202611, 2),
        ("2026-11-02", "2026-11-01", "2026-11-02", 202611, 1),
        ("2026-11-03", "2026-11-01", "2026-11-02", 202611, 1),
    ],
    """
    SELECT position(model, 'gpt'), position('4o' IN model), groupArray(DISTINCT provider), count()
    FROM request_response_rmt WHERE has(properties, 'department') AND has([provider], 'openai') GROUP BY model
    """: [(1, 5, ["openai"], 2)],
    """
    SELECT toInt32(1.9), toInt8('-3'), toUInt16(status), toInt64(-1.5), toFloat32(1), toInt32OrZero(model),
      toInt64OrNull('x')
    FROM request_response_rmt WHERE request_created_at < yesterday() + toIntervalDay(100000) AND status < 300 LIMIT 1
    """: [(1, -3, 200, -1, 1.0, 0, None)],
    """
    SELECT latency, lagInFrame(latency) OVER (ORDER BY latency), leadInFrame(latency, 1, 7) OVER (ORDER BY latency)
    FROM request_response_rmt WHERE latency > 100 ORDER BY latency
    """: [(500, None, 1000), (1000, 500, 7)],
    """
    SELECT startsWith(model, 'gpt'), endsWith(model, 'gpt'), match(model, '^g.t'), splitByChar('-', model)[1],
      splitByString('-4', model)[1], replaceAll(model, '-', '.'), replaceRegexpAll(model, '[0-9-]', '')
    FROM request_response_rmt WHERE user_id = 'ada' AND provider = 'openai'
    """: [(True, False, True, "gpt", "gpt", "gpt.4o.mini.2024.07.18", "gptomini")],
    """
    SELECT medianIf(latency, status = 200), JSONExtractInt('{"a": 1}', 'a'), JSONExtractInt('{}', 'a'),
      JSONExtractFloat('{"a": 1.5}', 'a'), JSONExtractBool('{"a": true}', 'a'),
      addHours(subtractDays(min(request_created_at), 1), 24) = min(request_created_at),
      subtractMonths(addMonths(toDate('2026-11-02'), 1), 1)
    FROM request_response_rmt
    """: [(500, 1, None, 1.5, True, True, "2026-11-02")],
    # clauses of ClickHouse's own
    """
    SELECT count(), sum(status) FROM (SELECT status FROM request_response_rmt LIMIT 1 BY status) -- one of each
    """: [(2, 700)],
    """
    SELECT if(status < 400, 'well', 'wrong') AS status, latency AS ms FROM request_response_rmt FINAL
    ORDER BY 2 DESC LIMIT 2 BY 1 LIMIT 2
    """: [("well", 1000), ("well", 500)],
    """
    SELECT status, latency FROM request_response_rmt ORDER BY latency LIMIT 1 OFFSET 1 BY status;
    """: [(200, 500)],
    """
    SELECT user_id, model, count() AS calls FROM request_response_rmt GROUP BY user_id, model
    ORDER BY calls DESC, user_id, model LIMIT 0, 1 BY user_id LIMIT 1, 5
    """: [("bob", "gpt-4o-mini-2024-07-18", 1), (None, "gpt-4o-mini-2024-07-18", 1)],
    """
    SELECT count(), sum(latency) FROM (
      SELECT latency FROM request_response_rmt AS r FINAL
      PREWHERE r.status IS DISTINCT FROM 500 OR false WHERE latency < 700 OR false ORDER BY latency LIMIT 5)
    """: [(2, 560)],
    """
    SELECT count() FROM request_response_rmt PREWHERE status = 500 OR status = 404;
    """: [(1,)],
    """
    SELECT formatDateTime(request_created_at, '%Y-%m-%d %H:%i:%S, %M, Q%Q 100%%Q') AS minute,
      formatDateTime(request_created_at, '%F %R', 'Europe/Berlin'), formatDateTime(toDate(request_created_at), '%D %W')
    FROM request_response_rmt ORDER BY request_created_at LIMIT 1
    """: [("2026-11-02 00:00:00, November, Q4 100%Q", "2026-11-02 01:00", "11/02/26 Monday")],
}

#: What stays out, and what is said instead of a syntax error.
NOT_HQL = {
    "SELECT model, count() FROM request_response_rmt GROUP BY model WITH TOTALS": r"GROUPING SETS \(\(model\), \(\)\)",
    "SELECT model, count() FROM request_response_rmt GROUP BY model WITH ROLLUP": r"GROUP BY ROLLUP \(",
    "SELECT 1 FROM (SELECT 1 FROM request_response_rmt GROUP BY model WITH CUBE)": r"GROUP BY CUBE \(",
    "SELECT toDate(request_created_at) d FROM request_response_rmt ORDER BY d WITH FILL": "generate_series",
    "SELECT name FROM request_response_rmt ARRAY JOIN mapKeys(properties) AS name": r"write arrayJoin\(",
    "SELECT 1 FROM request_response_rmt SETTINGS max_threads = 1": "SETTINGS: leave it out",
    "SELECT 1 FROM request_response_rmt FORMAT JSONEachRow;": "FORMAT: leave it out",
    "SELECT DISTINCT model FROM request_response_rmt LIMIT 1 BY model": "neither DISTINCT nor QUALIFY",
    "SELECT model FROM request_response_rmt LIMIT 1 + 1 BY model": "plain numbers: LIMIT 2 BY model",
    "SELECT formatDateTime(request_created_at, '%g') FROM request_response_rmt": "%g is not known here; strftime",
    "SELECT count( FROM request_response_rmt": "syntax error: a bracket is not closed",
    f"SELECT {'(' * 101}1{')' * 101} FROM request_response_rmt": "is in 100 others",
    "SELECT 1) FROM request_response_rmt /* left open": "a bracket closes nothing",
    "SELECT formatDateTime(request_created_at, model) FROM request_response_rmt": "its format as a text",
}


@pytest.mark.parametrize("sql", HQL)
def test_hql_runs_unchanged(clinic: SmallLake, sql: str) -> None:
    with connect(clinic.data) as connection:
        rows = query.sql(connection, sql).read_all().to_pylist()
    plain = [tuple(str(value)[:10] if hasattr(value, "isoformat") else value for value in row.values()) for row in rows]
    assert plain == HQL[sql]


@pytest.mark.parametrize("sql", NOT_HQL)
def test_hql_that_stays_out_says_what_to_write(clinic: SmallLake, sql: str) -> None:
    with connect(clinic.data) as connection, pytest.raises(UsageError, match=NOT_HQL[sql]):
        query.sql(connection, sql)


def test_words_of_clauses_may_be_names(clinic: SmallLake) -> None:
    named = """
    WITH totals AS (SELECT 'with totals, settings x = 1' AS settings, 2 AS final FROM request_response_rmt)
    SELECT settings, final, mode() WITHIN GROUP (ORDER BY final) FROM totals GROUP BY ALL
    """
    with connect(clinic.data) as connection:
        found = [tuple(row.values()) for row in query.sql(connection, named).read_all().to_pylist()]
    assert found == [("with totals, settings x = 1", 2, 2)]


def test_only_queries_of_hqls_table_are_read_as_hql(clinic: SmallLake) -> None:
    with connect(clinic.data) as connection:
        guard.check(connection, "SELECT quantile(0.5)(latency) FROM request_response_rmt")
        for text in ("''", "'request_response_rmt'", "'' -- request_response_rmt"):
            with pytest.raises(UsageError, match="syntax error"):
                query.sql(connection, f"SELECT quantile(0.5)(duration_ms) FROM llm_calls WHERE name = {text}")
        with pytest.raises(UsageError, match="syntax error"):
            query.sql(connection, "SELECT quantile(0.5)(latency FROM request_response_rmt")


def test_tools_and_errors_are_views(lake: SmallLake) -> None:
    lake.add(
        [
            span(1, None, 1, ms=10, operation="execute_tool", tool_name="search", agent_name="a", service_name="desk"),
            span(2, None, 2, ms=30, operation="execute_tool", tool_name="search", status="ERROR", service_name="desk"),
            span(3, None, 3, cost="1", tool_name="search"),
        ]
    )
    with connect(lake.data) as connection:
        tools = query.sql(connection, "SELECT tool_name, runs, errors, duration_p50_ms FROM tools").read_all()
        errors = query.sql(connection, "SELECT tool_name, error_type, trace_id FROM errors").read_all()
    assert tools.to_pylist() == [{"tool_name": "search", "runs": 2, "errors": 1, "duration_p50_ms": 20.0}]
    assert errors.to_pylist() == [{"tool_name": "search", "error_type": "unknown", "trace_id": f"{2:032x}"}]


def test_metrics_of_tokens_and_money_whoever_sends_them(lake: SmallLake) -> None:
    def point(number: int, name: str, amount: dict[str, Any], **attributes: str) -> dict[str, Any]:
        at = {"row_id": f"{number:016x}", "date": span(1)["date"], "time": span(1)["start_time"]}
        return {**at, "name": name, **amount, "attributes": list(attributes.items())}

    model = {"gen_ai.response.model": "gpt-4o", "gen_ai.provider.name": "openai"}
    lake.add([span(1, cost="1")])
    lake.begin("metrics")
    lake.add(
        [
            point(1, "claude_code.token.usage", {"value_int": 7}, type="cacheRead", model="opus", **{"user.id": "ada"}),
            point(2, "claude_code.cost.usage", {"value": 0.25}, model="opus"),
            point(
                3, "gen_ai.client.token.usage", {"sum": 12.0, "count": 2}, **{"gen_ai.token.type": "output"}, **model
            ),
            point(4, "gen_ai.client.inference.usage.cache_read.input_tokens", {"value_int": 3}, **model),
            point(5, "gen_ai.client.operation.cost", {"sum": 0.5}, **model),
            point(6, "process.cpu.time", {"value": 1.0}),
        ],
        "metrics",
    )
    with connect(lake.data) as connection:
        rows = connection.execute(
            "SELECT kind, amount, provider, model, user_id FROM usage_metrics ORDER BY ALL"
        ).fetchall()
    assert rows == [
        ("cache_read", 3.0, "openai", "gpt-4o", None),
        ("cache_read", 7.0, None, "opus", "ada"),
        ("cost", 0.25, None, "opus", None),
        ("cost", 0.5, "openai", "gpt-4o", None),
        ("output", 12.0, "openai", "gpt-4o", None),
    ]

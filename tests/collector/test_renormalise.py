"""A mapping was wrong: the archived requests become rows once more, and what changed is told."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rig import otlp
from rig.lake import merge, store
from rig.told import NOW, PEER, Told

from otel_llm.failures import raise_faults
from otel_llm_collector import cli, journal, query
from otel_llm_collector.columns import assembly, attributes, fields, reader, request
from otel_llm_collector.columns.reader import ROWS_MIN
from otel_llm_collector.converter import Converter
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.process import change_rows, lock
from otel_llm_collector.renormalise import rebuild
from otel_llm_collector.renormalise.compare import aligned
from otel_llm_semconv import attributes as a
from otel_llm_semconv import dialects
from otel_llm_semconv.dialects import Accounting, reading
from otel_llm_semconv.pricing import quote, source

CLAUDE = "com.anthropic.claude_code.tracing"
SAID = {
    "span.type": "llm_request", "model": "claude-haiku-4-5", "input_tokens": 1000, "output_tokens": 100,
    "cache_read_tokens": 500, "cache_creation_tokens": 0, "user_prompt": "hello", "ttft_ms": 20,
}  # fmt: skip
FILES = 4


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    raise_faults(on=True)
    yield
    raise_faults(on=False)
    source._chosen.clear()
    quote.forget()


@contextlib.contextmanager
def wrong(id: str, **fields: Any) -> Iterator[None]:
    """A dialect's table is another one meanwhile."""
    others = tuple(dataclasses.replace(one, **fields) if one.id == id else one for one in dialects.DIALECTS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dialects, "DIALECTS", others)
        reading._known.clear()
        yield
    reading._known.clear()


def convert(data: Path, *requests: Any) -> None:
    store(data, *requests)
    converter = Converter(data)
    while converter.convert_some() or converter.recount_some():
        pass
    converter.close()


def claude(**more: Any) -> Any:
    span = otlp.span(SAID | more, name="claude_code.llm_request", start_ns=NOW)
    return otlp.request(span, service="claude-code", scope=CLAUDE)


def renormalise(data: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[list[dict[str, Any]], str]:
    """What is printed, and what is said beside it."""
    capsys.readouterr()
    assert cli.renormalise(["--data", str(data), "--format", "json", *options]) == 0
    found = capsys.readouterr()
    return json.loads(found.out), found.err


def ask(data: Path, text: str) -> list[tuple[Any, ...]]:
    with query.connect(data, views=query.views_for(text)) as connection:
        return connection.execute(text).fetchall()


@pytest.mark.parametrize("natively", [True, False], ids=["natively", "in NumPy"])
def test_many_rows_with_content_are_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, natively: bool
) -> None:
    if not natively:
        for part in (fields, request, attributes):
            monkeypatch.setattr(part, "native", None)
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "How long is a day on Venus?" * 9}]}])
    spans = [otlp.span(otlp.chat(**{a.INPUT_MESSAGES: said}), start_ns=NOW) for _ in range(3 * ROWS_MIN)]
    with monkeypatch.context() as patched:
        patched.setattr(reader, "messages_table", no_messages)
        convert(tmp_path, otlp.request(*spans[1:]))
    convert(tmp_path, otlp.request(spans[0]))
    _, told = renormalise(tmp_path, capsys)
    assert told == f"0 rows of spans and {len(spans) - 1} of messages have changed\n"
    assert ask(tmp_path, "SELECT input_messages, count(*) FROM messages GROUP BY 1") == [(said, len(spans))]
    assert renormalise(tmp_path, capsys)[1] == "0 rows of spans and 0 of messages have changed\n"


def no_messages(spans: Any, table: Any) -> tuple[Any, Any]:
    """A mapping that does not know where content stands."""
    rows, owner = assembly.messages_table(spans, table)
    return rows.slice(0, 0), owner[:0]


def test_a_corrected_mapping_replaces_figures_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with wrong("claude_code", accounting=Accounting.INCLUSIVE):
        convert(tmp_path, claude(), otlp.request(otlp.span(otlp.chat(), start_ns=NOW)))
    figures = "SELECT provider, input_tokens, cost_usd, price_version IS NULL FROM llm_calls ORDER BY 1"
    openai = ("openai", 1000, Decimal("0.00027"), False)
    assert ask(tmp_path, figures) == [("anthropic", 1000, Decimal("0.00105"), False), openai]
    models, said = renormalise(tmp_path, capsys, "--since", "1d")
    assert models == [
        {
            "model": "claude-haiku-4-5",
            "old_calls": 1,
            "new_calls": 1,
            "old_tokens": 1100,
            "new_tokens": 1600,
            "old_usd": "0.001050000000",
            "new_usd": "0.001550000000",
            "difference_usd": "0.000500000000",
        }
    ]
    assert said == "1 rows of spans and 0 of messages have changed\n"
    assert ask(tmp_path, figures) == [("anthropic", 1500, Decimal("0.00155"), False), openai]
    assert otlp.rows(tmp_path, "SELECT count(*) n, count(DISTINCT row_id) d FROM t") == [{"n": 2, "d": 2}]
    before = LakeTable(tmp_path, "spans").version
    assert renormalise(tmp_path, capsys) == ([], "0 rows of spans and 0 of messages have changed\n")
    assert LakeTable(tmp_path, "spans").version == before


def test_a_tier_that_is_read_after_all_has_its_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"gen_ai.request.model": "claude-haiku-4-5", "gen_ai.response.model": "claude-haiku-4-5"}
    tier = {"gen_ai.provider.name": "anthropic", "anthropic.response.service_tier": "batch"}
    with wrong("anthropic_native", columns={}):
        span = otlp.span(otlp.chat() | names | tier, start_ns=NOW)
        convert(tmp_path, otlp.request(span, scope="com.anthropic.sdk.python"))
    ((found,), _) = renormalise(tmp_path, capsys)
    assert (found["old_usd"], found["new_usd"]) == ("0.002000000000", "0.001000000000")


def test_a_cost_that_only_the_provider_knows_is_read_after_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"gen_ai.request.model": "of-a-clinic", "gen_ai.response.model": "of-a-clinic"}
    cost = {"agw.ai.usage.cost.total": "0.5", "gen_ai.usage.cost.source": "provider"}
    figures = "SELECT cost_usd, cost_status FROM spans"
    with wrong("agentgateway", columns={}):
        convert(tmp_path, otlp.request(otlp.span(otlp.chat() | names | cost, start_ns=NOW), scope="agentgateway"))
        assert ask(tmp_path, figures) == [(None, "unknown_model")]
    for models in (1, 0):
        found, _ = renormalise(tmp_path, capsys)
        told = [(row["old_usd"], row["new_usd"], row["difference_usd"]) for row in found]
        assert told == [(None, "0.500000000000", None)] * models
        assert ask(tmp_path, figures) == [(Decimal("0.5"), "provider_declared")]


def test_rows_that_were_merged_with_others_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with wrong("claude_code", accounting=Accounting.INCLUSIVE):
        for _ in range(FILES):
            convert(tmp_path, *(claude() for _ in range(3)))
    merge(tmp_path).close()
    ((model,), _) = renormalise(tmp_path, capsys)
    assert (model["new_calls"], model["new_tokens"]) == (3 * FILES, 1600 * 3 * FILES)
    counts = otlp.rows(tmp_path, "SELECT count(*) n, count(DISTINCT row_id) d FROM t")
    assert counts == [{"n": 3 * FILES, "d": 3 * FILES}]


def test_content_is_told_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "SELECT m.attributes['user_prompt'], s.attributes['user_prompt']"
    content = f"{said} FROM spans s LEFT JOIN messages m USING (row_id)"
    with wrong("claude_code", content=()):
        convert(tmp_path, claude())
    assert ask(tmp_path, content) == [(None, "hello")]
    assert renormalise(tmp_path, capsys) == ([], "1 rows of spans and 1 of messages have changed\n")
    assert ask(tmp_path, content) == [("hello", None)]
    with wrong("claude_code", content=()):
        assert renormalise(tmp_path, capsys)[1] == "1 rows of spans and 1 of messages have changed\n"
    assert ask(tmp_path, content) == [(None, "hello")]


@pytest.mark.parametrize("rows_max", [4, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 7))])
def test_so_many_rows_are_looked_at_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    rows = 3 * FILES
    monkeypatch.setattr(rebuild, "ROWS_MAX", rows_max)
    looked_at = list[int]()
    monkeypatch.setattr(rebuild, "aligned", lambda old, new: looked_at.append(old.num_rows) or aligned(old, new))
    with wrong("claude_code", content=()):
        for _ in range(FILES):
            convert(tmp_path, *(claude() for _ in range(3)))
    merge(tmp_path).close()
    told = renormalise(tmp_path, capsys)[1]
    assert told == f"{rows} rows of spans and {rows} of messages have changed\n"
    assert ask(tmp_path, "SELECT count(*), count(attributes['user_prompt']) FROM messages") == [(rows, rows)]
    merge(tmp_path).close()
    with wrong("claude_code", content=()):
        assert renormalise(tmp_path, capsys)[1] == told
    assert ask(tmp_path, "SELECT count(*) FROM messages") == [(0,)]
    assert ask(tmp_path, "SELECT count(*), count(attributes['user_prompt']) FROM spans") == [(rows, rows)]
    assert max(looked_at) <= max(rows_max, 3)


def test_a_figure_is_only_replaced_at_its_own_price_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prices = tmp_path / "data.json"
    model = {"id": "haiku", "match": {"contains": "haiku"}, "prices": {"input_mtok": 10, "output_mtok": 20}}
    prices.write_text(json.dumps([{"id": "anthropic", "name": "Anthropic", "api_pattern": "x", "models": [model]}]))
    data = tmp_path / "data"
    quote.use(source.read(prices))
    with wrong("claude_code", accounting=Accounting.INCLUSIVE):
        convert(data, claude())
    with wrong("claude_code", columns={**dialects.BY_ID["claude_code"].columns, "time_to_first_chunk_ns": ()}):
        convert(data, claude(cache_read_tokens=0))
    source._chosen.clear()
    quote.forget()
    rows = "SELECT input_tokens, time_to_first_chunk_ns, cost_usd, price_version FROM spans ORDER BY 1, 2"
    (version,) = {row[3] for row in ask(data, rows)}
    chunk = 20_000_000
    stays = (1000, chunk, Decimal("0.012"), version)
    assert ask(data, rows) == [stays, (1000, None, Decimal("0.012"), version)]
    models, said = renormalise(data, capsys)
    assert models == []
    assert "1 rows of spans" in said
    assert f"1 rows stay as they are: give their prices, {version}, by --prices" in said
    assert ask(data, rows) == [stays, (1000, chunk, Decimal("0.012"), version)], "what no price depends on is corrected"
    ((model_,), said) = renormalise(data, capsys, "--prices", str(prices))
    assert (model_["old_usd"], model_["new_usd"]) == ("0.024000000000", "0.029000000000")
    assert "stay" not in said
    assert ask(data, rows)[1] == (1500, chunk, Decimal("0.017"), version)


def test_a_list_of_another_version_with_the_same_price_will_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prices = {"input_mtok": 1, "cache_read_mtok": 0.1, "output_mtok": 5}
    model = {"id": "haiku", "match": {"contains": "haiku"}, "prices": prices}
    provider = {"id": "anthropic", "name": "Anthropic", "api_pattern": "x", "models": [model]}
    (tmp_path / "data.json").write_text(json.dumps([provider]))
    quote.use(source.read(tmp_path / "data.json"))
    with wrong("claude_code", accounting=Accounting.INCLUSIVE):
        convert(tmp_path / "data", claude())
    source._chosen.clear()
    quote.forget()
    ((found,), said) = renormalise(tmp_path / "data", capsys)
    assert (found["old_usd"], found["new_usd"]) == ("0.001050000000", "0.001550000000")
    assert "stay" not in said


def test_a_deployment_that_becomes_known_is_priced_and_stays_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"gen_ai.request.model": "chat-prod", "gen_ai.response.model": "chat-prod"}
    convert(tmp_path, otlp.request(otlp.span(otlp.chat(500, 300) | names, start_ns=NOW)))
    figures = "SELECT deployed_model, cost_usd, cost_status FROM spans"
    assert ask(tmp_path, figures) == [(None, None, "unknown_model")]
    monkeypatch.setenv("OTEL_LLM_DEPLOYMENTS", "chat-prod=gpt-4o-mini")
    assert renormalise(tmp_path, capsys)[0][0]["new_usd"] == "0.000255000000"
    monkeypatch.delenv("OTEL_LLM_DEPLOYMENTS")
    for options in ((), ("--since", "2026-01-01")):
        assert renormalise(tmp_path, capsys, *options)[0] == []
        assert ask(tmp_path, figures) == [("gpt-4o-mini", Decimal("0.000255"), "exact")]


def test_which_rows_count_is_decided_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At first the inner span is taken for no call, so the outer one counts; then the other way round."""
    outer, inner = Told("outer", PEER), Told("inner", CLAUDE, parent="outer", at=(1, 99), attributes=SAID)
    with wrong("claude_code", columns={}, complete=()):
        convert(tmp_path, outer.request())
        convert(tmp_path, inner.request())
    looks_like_one = "is_llm_call OR not_counted_reason IS NOT NULL"
    counted = f"SELECT name, not_counted_reason, cost_usd IS NULL FROM spans WHERE {looks_like_one} ORDER BY 1"
    assert ask(tmp_path, counted) == [("outer", None, False)]
    renormalise(tmp_path, capsys)
    assert ask(tmp_path, counted) == [("inner", None, False), ("outer", "duplicate", True)]
    with wrong("claude_code", columns={}, complete=()):
        models, _ = renormalise(tmp_path, capsys)
    assert ask(tmp_path, counted) == [("outer", None, False)]
    assert {model["model"]: (model["old_calls"], model["new_calls"]) for model in models} == {
        "claude-haiku-4-5": (1, 0),
        "gpt-4o-mini-2024-07-18": (0, 1),
    }


def test_what_is_archived_no_more_or_not_meant_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with wrong("claude_code", accounting=Accounting.INCLUSIVE):
        convert(tmp_path, claude())
        convert(tmp_path, claude())
    assert renormalise(tmp_path, capsys, "--until", "1d")[1] == "0 rows of spans and 0 of messages have changed\n"
    first, _ = journal.closed_segments(journal.archive_dir(tmp_path))
    first.path.unlink()
    models, said = renormalise(tmp_path, capsys)
    assert [model["new_tokens"] - model["old_tokens"] for model in models] == [500]
    assert "1 rows stay as they are: their requests are not in the archive" in said


def test_a_collector_may_be_at_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with wrong("claude_code", accounting=Accounting.INCLUSIVE):
        convert(tmp_path, claude())
    replace, commits = LakeTable.replace, iter([False, True])

    def beaten_once(table: LakeTable, *args: Any, **options: Any) -> bool:
        return next(commits) and replace(table, *args, **options)

    monkeypatch.setattr(LakeTable, "replace", beaten_once)
    with lock(journal.journal_dir(tmp_path) / "converter.lock", "converter"):
        models, said = renormalise(tmp_path, capsys)
    assert [model["new_tokens"] for model in models] == [1600]
    assert "a collector is running" in said
    assert ask(tmp_path, "SELECT count(*), sum(input_tokens) FROM llm_calls") == [(1, 1500)]
    Converter(tmp_path)
    assert otlp.rows(tmp_path, "SELECT count(*) n FROM t") == [{"n": 1}], "what was replaced is gone"


def test_it_is_not_run_beside_another_that_changes_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert(tmp_path, claude())
    with change_rows(tmp_path, "forget"):
        assert cli.renormalise(["--data", str(tmp_path)]) == 1
    assert f"pid {os.getpid()} (forget): run this again once that has ended" in capsys.readouterr().err
    renormalise(tmp_path, capsys)


def test_without_a_lake_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.renormalise(["--data", str(tmp_path / "none")]) == 3
    assert "--data" in capsys.readouterr().err

"""One provider call is one counted row, however many tell of it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rig import otlp
from rig.lake import store
from rig.told import GATEWAY, NATIVE, OURS, PEER, Told, counted, rows

from otel_llm.failures import raise_faults
from otel_llm_collector import counting, journal, query
from otel_llm_collector.converter import Converter
from otel_llm_collector.counting import links, recent
from otel_llm_collector.counting.reasons import MEANING
from otel_llm_collector.lake import files
from otel_llm_collector.lake.layout import LAYOUTS
from otel_llm_collector.lake.log import LakeTable


@pytest.fixture(autouse=True)
def _faults_are_raised() -> Iterator[None]:
    raise_faults(on=True)
    yield
    raise_faults(on=False)


UNTOLD = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini"}


def chat(tokens: tuple[int, int] = (1000, 200), id: str | None = None, **more: Any) -> dict[str, Any]:
    return otlp.chat(*tokens, **({"gen_ai.response.id": id} if id else {}), **more)


def unnamed(tokens: tuple[int, int] = (1000, 200)) -> dict[str, Any]:
    return {name: value for name, value in chat(tokens).items() if name != "gen_ai.operation.name"}


def embedding(tokens: int = 70) -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "text-embedding-3-small",
        "gen_ai.usage.input_tokens": tokens,
    }


def at_host(host: str) -> dict[str, Any]:
    return embedding() | {"server.address": host}


NO_ANSWER = {"gen_ai.response.model": ""}
SCENES: dict[str, tuple[list[Told], dict[str, str | None]]] = {
    "calls of one emitter": (
        [Told("a", at=(0, 100)), Told("b", at=(10, 90)), Told("c", trace=2)],
        {"a": None, "b": None, "c": None},
    ),
    "an outer call that sums up": (
        [
            Told("outer", PEER, attributes=chat((30, 3)), at=(0, 100)),
            Told("first", PEER, parent="outer", attributes=chat((10, 1)), at=(1, 40)),
            Told("second", PEER, parent="outer", attributes=chat((20, 2)), at=(41, 99)),
        ],
        {"outer": "rollup", "first": None, "second": None},
    ),
    "a sum above steps that are no calls": (
        [
            Told("outer", PEER, attributes=chat((30, 3)), at=(0, 100)),
            Told("graph", "http", parent="outer", attributes={}, at=(1, 99)),
            *(Told(f"step{n}", "http", parent="graph", attributes={}, at=(40 * n, 40 * n + 30)) for n in (0, 1)),
            *(
                Told(f"call{n}", parent=f"step{n}", attributes=chat((10 + 10 * n, 1 + n)), at=(40 * n, 40 * n + 25))
                for n in (0, 1)
            ),
        ],
        {"outer": "rollup", "call0": None, "call1": None},
    ),
    "an agent with usage": (
        [
            Told("agent", PEER, attributes=chat() | {"gen_ai.operation.name": "invoke_agent"}),
            Told("call", PEER, parent="agent", at=(1, 99)),
        ],
        {"agent": "rollup", "call": None},
    ),
    "calls without an operation, in one that sums up": (
        [
            Told("outer", PEER, attributes=unnamed((30, 3)), at=(0, 100)),
            Told("first", PEER, parent="outer", attributes=unnamed((10, 1)), at=(1, 40)),
            Told("second", PEER, parent="outer", attributes=chat((20, 2)), at=(41, 99)),
        ],
        {"outer": "rollup", "first": None, "second": None},
    ),
    "a step without an operation around a call": (
        [Told("outer", PEER, attributes=unnamed()), Told("call", NATIVE, parent="outer", at=(1, 99))],
        {"outer": "duplicate", "call": None},
    ),
    "an instrumentor around an sdk that traces itself": (
        [Told("outer", PEER, attributes=chat(id="r1")), Told("inner", NATIVE, parent="outer", at=(1, 99))],
        {"outer": "duplicate", "inner": None},
    ),
    "a native span beside an instrumentor's, one id": (
        [
            Told("step", attributes={}, at=(0, 300)),
            Told("one", PEER, parent="step", attributes=chat(id="r1")),
            Told("two", NATIVE, parent="step", attributes=chat(id="r1"), at=(1, 99)),
        ],
        {"one": "duplicate", "two": None},
    ),
    "a native span beside an instrumentor's, no id": (
        [
            Told("one", PEER, parent="step"),
            Told("two", NATIVE, parent="step", at=(1, 99)),
            Told("third", PEER, parent="step", at=(200, 300)),
            Told("fourth", NATIVE, parent="step", at=(201, 299)),
        ],
        {"one": "duplicate", "two": None, "third": "duplicate", "fourth": None},
    ),
    "two emitters, a model and its smaller one": (
        [
            Told("one", PEER, parent="step", attributes=chat() | NO_ANSWER | {"gen_ai.request.model": "gpt-4o"}),
            Told("two", parent="step", attributes=chat() | NO_ANSWER | {"gen_ai.request.model": "gpt-4o-mini"}),
        ],
        {"one": None, "two": None},
    ),
    "two emitters, a model and its dated name": (
        [
            Told("one", PEER, parent="step", attributes=chat() | NO_ANSWER | {"gen_ai.request.model": "gpt-4o"}),
            Told(
                "two",
                parent="step",
                attributes=chat() | NO_ANSWER | {"gen_ai.request.model": "openai/gpt-4o-2024-08-06"},
            ),
        ],
        {"one": "duplicate", "two": None},
    ),
    "two of several calls at once": (
        [
            *(Told(f"p{n}", PEER, at=(n, 100 + n), attributes=chat((10 + n, 1))) for n in range(5)),
            *(Told(f"n{n}", NATIVE, at=(n + 1, 99 + n), attributes=chat((10 + n, 1))) for n in range(5)),
        ],
        {f"{who}{n}": "duplicate" if who == "p" else None for n in range(5) for who in "pn"},
    ),
    "two emitters, each of a call of its own": (
        [Told("one", PEER, attributes=chat((10, 1))), Told("two", NATIVE, attributes=chat((20, 2)), at=(10, 90))],
        {"one": None, "two": None},
    ),
    "ours is preferred": (
        [Told("ours", at=(0, 100)), Told("theirs", PEER, parent="ours", at=(1, 99))],
        {"ours": None, "theirs": "duplicate"},
    ),
    "who has the usage is counted": (
        [Told("outer", PEER), Told("inner", OURS, parent="outer", attributes=UNTOLD, at=(1, 99))],
        {"outer": None, "inner": "duplicate"},
    ),
    "a call that another continues": (
        [
            Told("theirs", PEER, at=(0, 50)),
            Told(
                "ours",
                parent="theirs",
                at=(1, 100),
                attributes=chat((9, 9)) | {"otel_llm.continues": b"theirs".rjust(8, b"\0").hex()},
            ),
        ],
        {"theirs": "continued", "ours": None},
    ),
    "a gateway that hands the trace on": (
        [
            Told("app", attributes=chat(id="r1")),
            Told("http", "http", parent="app", attributes={}, at=(1, 99)),
            Told("server", "http", "proxy", parent="http", attributes={}, at=(2, 98), kind=2),
            Told("proxied", GATEWAY, "proxy", parent="server", attributes=chat(id="other"), at=(3, 97)),
        ],
        {"app": None, "proxied": "gateway_twin"},
    ),
    "a gateway in a trace of its own": (
        [
            Told("app", attributes=chat(id="r1")),
            Told("proxied", PEER, "proxy", trace=2, attributes=chat(id="r1"), at=(3, 97)),
        ],
        {"app": None, "proxied": "gateway_twin"},
    ),
    "embeddings, which have no id, through a gateway": (
        [
            Told("app", attributes=embedding()),
            Told("proxied", GATEWAY, "proxy", trace=2, attributes=embedding(), at=(3, 97)),
            Told("elsewhere", PEER, "other", trace=3, attributes=embedding(), at=(3, 97)),
        ],
        {"app": None, "proxied": "gateway_twin", "elsewhere": None},
    ),
    "embeddings of one length, of an application and through a proxy that others use": (
        [
            Told("before", attributes=embedding(), at=(0, 100)),
            Told("across", GATEWAY, "proxy", trace=2, attributes=embedding(), at=(60, 170)),
            Told("after", attributes=embedding(), trace=3, at=(180, 300)),
            Told("around", GATEWAY, "proxy", trace=4, attributes=embedding(), at=(175, 320)),
            Told("served", "vllm", "model-server", trace=5, attributes=embedding(), at=(400, 500), kind=2),
        ],
        dict.fromkeys(["before", "across", "after", "around", "served"]),
    ),
    "many embeddings of one length at once, through a gateway": (
        [
            *(Told(f"a{n}", trace=n, attributes=embedding(), at=(n, 200 - n)) for n in range(1, 41)),
            *(
                Told(f"g{n}", GATEWAY, "proxy", 100 + n, attributes=embedding(), at=(n + 1, 199 - n))
                for n in range(1, 41)
            ),
        ],
        {f"a{n}": None for n in range(1, 41)} | {f"g{n}": "gateway_twin" for n in range(1, 41)},
    ),
    "many embeddings of one length at once, by two emitters": (
        [
            *(Told(f"p{n}", PEER, parent="step", attributes=embedding(), at=(n, 300 + n)) for n in range(64)),
            *(Told(f"n{n}", NATIVE, parent="step", attributes=embedding(), at=(n + 70, 299 + n)) for n in range(64)),
        ],
        {f"{who}{n}": "duplicate" if who == "p" else None for n in range(64) for who in "pn"},
    ),
    # as Google's SDK is told of, by OpenTelemetry's instrumentor and on the wire
    "one call, of which one tells the usual host and the other the real one": (
        [Told("p", PEER, attributes=at_host("api.openai.com")), Told("a", at=(1, 99), attributes=at_host("10.0.0.7"))],
        {"p": "duplicate", "a": None},
    ),
    "calls of one length to two hosts at once, by two emitters": (
        [
            *(Told(f"p{n}", PEER, at=(n, 100 + n), attributes=at_host(f"gpu-{n}")) for n in range(2)),
            *(Told(f"a{n}", at=(n + 1, 99 + n), attributes=at_host(f"gpu-{n}")) for n in range(2)),
        ],
        {"p0": "duplicate", "p1": "duplicate", "a0": None, "a1": None},
    ),
    "calls to two hosts, of each of which another emitter tells, and an id": (
        [
            Told("p", PEER, attributes=chat(id="r1", **{"server.address": "gpu-0"})),
            Told("a", at=(1, 99), attributes=chat(id="r2", **{"server.address": "gpu-1"})),
        ],
        {"p": None, "a": None},
    ),
    # what addresses cannot tell apart, since emitters tell of one call with several
    "calls of one length to two hosts at once, of each of which another emitter tells": (
        [Told("p", PEER, attributes=at_host("gpu-0")), Told("a", at=(1, 99), attributes=at_host("gpu-1"))],
        {"p": "duplicate", "a": None},
    ),
    "two services of one trace, each with a call of its own": (
        [
            Told("first", parent="step", attributes=embedding(), at=(0, 100)),
            Told("second", service="other", parent="step", attributes=embedding(), at=(10, 90)),
        ],
        {"first": None, "second": None},
    ),
    "a call that does not say what it used, during one of another emitter": (
        [
            Told("untold", PEER, parent="step", attributes=UNTOLD, at=(0, 100)),
            Told("told", NATIVE, parent="step", at=(20, 80)),
        ],
        {"untold": None, "told": None},
    ),
    "a call that does not say what it used, and what it is told by besides": (
        [
            Told("untold", PEER, parent="step", attributes=UNTOLD, at=(0, 100)),
            Told("told", NATIVE, parent="step", at=(2, 99)),
            Told("other", NATIVE, parent="step", at=(20, 80)),
        ],
        {"untold": "duplicate", "told": None, "other": None},
    ),
    "what looked like one call until the one around it came": (
        [
            Told("alone", PEER, parent="step", at=(0, 100)),
            Told("inner", NATIVE, parent="outer", at=(10, 90)),
            Told("outer", PEER, parent="step", at=(5, 95)),
        ],
        {"alone": None, "inner": None, "outer": "duplicate"},
    ),
    "a gateway that leaves out what was cached, and traces its own call": (
        [
            Told("app", attributes=chat((1000, 200), "r1")),
            Told("proxied", GATEWAY, "proxy", trace=2, attributes=chat((400, 200), "r1"), at=(3, 97)),
            Told("passed", PEER, "proxy", trace=2, parent="proxied", attributes=chat((400, 200)), at=(4, 96)),
        ],
        {"app": None, "proxied": "gateway_twin", "passed": "gateway_twin"},
    ),
    "a gateway that hands on one trace and not the other": (
        [
            Told("app1", attributes=embedding()),
            Told("proxied1", GATEWAY, "proxy", parent="app1", attributes=embedding(), at=(3, 97)),
            Told("app2", trace=2, attributes=embedding(), at=(1, 101)),
            Told("proxied2", GATEWAY, "proxy", trace=3, attributes=embedding(), at=(4, 98)),
        ],
        {"app1": None, "proxied1": "gateway_twin", "app2": None, "proxied2": "gateway_twin"},
    ),
    "a sum of sums": (
        [
            Told("flow", PEER, attributes=chat((30, 3)), at=(0, 100)),
            Told("agent", PEER, parent="flow", attributes=chat((30, 3)), at=(0, 100)),
            Told("first", parent="agent", attributes=chat((10, 1)), at=(1, 40)),
            Told("second", parent="agent", attributes=chat((20, 2)), at=(41, 99)),
        ],
        {"flow": "rollup", "agent": "rollup", "first": None, "second": None},
    ),
    "a server that gives every answer one id": (
        [
            Told("a", attributes=chat((10, 1), "chatcmpl-1")),
            Told("b", PEER, "other", trace=2, attributes=chat((20, 2), "chatcmpl-1"), at=(50, 150)),
            Told("c", trace=3, attributes=chat((10, 1), "chatcmpl-1"), at=(200, 300)),
        ],
        {"a": None, "b": None, "c": None},
    ),
    "attempts inside a call": (
        [
            Told("call", attributes=chat(id="r1")),
            Told("try1", GATEWAY, "proxy", parent="call", attributes=UNTOLD, at=(1, 20), failed=True),
            Told("try2", GATEWAY, "proxy", parent="call", attributes=UNTOLD, at=(21, 40), failed=True),
            Told("try3", GATEWAY, "proxy", parent="call", attributes=chat(id="r1"), at=(41, 99)),
        ],
        {"call": None, "try1": "retry", "try2": "retry", "try3": "gateway_twin"},
    ),
    "attempts that all fail": (
        [
            Told("call", attributes=UNTOLD, failed=True),
            Told("try1", PEER, parent="call", attributes=UNTOLD, at=(1, 20), failed=True),
            Told("try2", PEER, parent="call", attributes=UNTOLD, at=(21, 40), failed=True),
        ],
        {"call": None, "try1": "retry", "try2": "duplicate"},
    ),
    "a call that an application makes again": (
        [
            Told("agent", attributes={"gen_ai.operation.name": "invoke_agent"}),
            Told("try1", parent="agent", attributes=UNTOLD, at=(1, 20), failed=True),
            Told("try2", parent="agent", at=(21, 40)),
        ],
        {"try1": None, "try2": None},
    ),
    "another call while a stream is read": (
        [
            Told("stream", PEER, attributes=chat((10, 100), "r1"), at=(0, 100)),
            Told("meant", PEER, parent="stream", attributes=chat((7, 5), "r2"), at=(20, 40)),
        ],
        {"stream": None, "meant": None},
    ),
    "spans that were over when their streams began": (
        [
            *(Told(f"begin{n}", PEER, trace=n, attributes=UNTOLD, at=(10 * n, 10 * n + 5)) for n in range(1, 4)),
            *(Told(f"end{n}", PEER, trace=9, attributes=chat((n, n)), at=(200 + n, 200 + n)) for n in range(1, 4)),
            Told("failed", PEER, trace=8, attributes=UNTOLD, at=(50, 60), failed=True),
        ],
        {f"begin{n}": "duplicate" for n in range(1, 4)} | {f"end{n}": None for n in range(1, 4)} | {"failed": None},
    ),
    "attempts beside each other, by who tells of attempts": (
        [
            Told("generate", "ai", attributes={"gen_ai.operation.name": "invoke_agent"}),
            Told("try1", "ai", parent="generate", attributes=UNTOLD, at=(1, 20), failed=True),
            Told("try2", "ai", parent="generate", at=(40, 60)),
            Told("step2", "ai", parent="generate", at=(61, 70)),
        ],
        {"try1": "retry", "try2": None, "step2": None},
    ),
    "an embedding inside a call": (
        [Told("chat", at=(0, 100)), Told("search", parent="chat", attributes=embedding(), at=(10, 20))],
        {"chat": None, "search": None},
    ),
    "a cycle of parents": (
        [Told("a", PEER, parent="b"), Told("b", PEER, parent="a", at=(1, 99))],
        {"a": "duplicate", "b": None},
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_which_rows_count(scene: str) -> None:
    told, expected = SCENES[scene]
    for order in itertools.islice(itertools.permutations(told), 24):
        assert counted(counting.settle(rows(order))) == expected


@pytest.mark.parametrize("scene", SCENES)
def test_what_was_settled_stays(scene: str) -> None:
    settled = counting.settle(rows(SCENES[scene][0]))
    assert counting.settle(settled).equals(settled)


@pytest.mark.parametrize("scene", SCENES)
def test_a_row_that_is_settled_as_not_counted_is_not_counted_when_it_is_seen_alone(scene: str) -> None:
    settled = counting.settle(rows(SCENES[scene][0]))
    left = settled.filter(pa.compute.field("not_counted_reason").is_valid())
    assert counting.settle(left).equals(left)


def test_a_row_that_is_not_counted_keeps_its_usage_and_costs_nothing() -> None:
    before = rows([Told("ours"), Told("theirs", PEER, parent="ours", at=(1, 99))]).to_pylist()
    after = {row["name"]: row for row in counting.settle(rows_of(before)).to_pylist()}
    assert after["ours"] == before[0]
    changed = {name: value for name, value in after["theirs"].items() if value != before[1][name]}
    assert before[1]["cost_usd"] == Decimal("0.00027")
    money = {name: None for name, value in before[1].items() if name.startswith("cost_") and value is not None}
    assert changed == money | {
        "is_llm_call": False,
        "not_counted_reason": "duplicate",
        "cost_status": "not_counted",
        "cost_usd": None,
        "price_version": None,
    }


def rows_of(found: list[dict[str, Any]]) -> pa.Table:
    return files.as_table("spans", found)


def test_rows_without_calls_are_let_through_as_they_are() -> None:
    for told in ([], [Told("a", attributes={})], [Told("a"), Told("b", trace=2)]):
        table = rows(told)
        assert counting.settle(table) is table


def test_every_reason_has_a_meaning() -> None:
    reasons = {reason for _, expected in SCENES.values() for reason in expected.values()}
    assert reasons | {"cached", "echo"} == {None, *MEANING}


# --- in the lake ------------------------------------------------------------------------------------------------


class CrashError(BaseException):
    """Stands for the moment of a SIGKILL."""


def convert(data: Path, *batches: Sequence[Told]) -> Converter:
    """Each batch comes in a segment of its own; then the converter goes on until it is idle."""
    journal.Writer(data)
    converter = Converter(data)
    for batch in filter(None, batches):
        store(data, *(told.request() for told in batch))
        assert converter.convert_some()
    finish(converter)
    return converter


def finish(converter: Converter) -> None:
    while converter.recount_some():
        pass
    converter.close()


def in_the_lake(data: Path) -> dict[str, str | None]:
    """As `counted`, of all rows of a lake, which are one each."""
    found = otlp.rows(data, "FROM t")
    assert len({row["row_id"] for row in found}) == len(found)
    return {row["name"]: row["not_counted_reason"] for row in found if row["is_llm_call"] or row["not_counted_reason"]}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("reverse", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["in order", "in reverse"])
def test_a_row_that_comes_later_counts_as_if_it_had_come_with_the_others(
    tmp_path: Path, scene: str, reverse: bool
) -> None:
    told, expected = SCENES[scene]
    told, size = told[:: -1 if reverse else 1], max(1, len(told) // 6)
    convert(tmp_path, *(told[place : place + size] for place in range(0, len(told), size)))
    assert in_the_lake(tmp_path) == expected


def test_a_sum_that_comes_last_uncounts_itself_and_counts_what_it_stood_for(tmp_path: Path) -> None:
    """The first part looks like the same call as the sum around it, until the second one is there."""
    outer = Told("outer", OURS, attributes=chat((30, 3)), at=(0, 100))
    first = Told("first", PEER, parent="outer", attributes=chat((10, 1)), at=(1, 40))
    second = Told("second", PEER, parent="outer", attributes=chat((20, 2)), at=(41, 99))
    convert(tmp_path, [outer, first])
    assert in_the_lake(tmp_path) == {"outer": None, "first": "duplicate"}
    convert(tmp_path, [second])
    assert in_the_lake(tmp_path) == {"outer": "rollup", "first": None, "second": None}
    money = otlp.rows(tmp_path, "SELECT sum(cost_usd) usd, sum(cost_input_usd + cost_output_usd) parts FROM t")
    assert money == [{"usd": Decimal("0.0000063"), "parts": Decimal("0.0000063")}]
    assert {row["cost_status"] for row in otlp.rows(tmp_path, "FROM t WHERE is_llm_call")} == {"exact"}


def test_what_is_known_of_earlier_calls_survives_a_restart(tmp_path: Path) -> None:
    for told in (Told("theirs", PEER, parent="ours", at=(1, 99)), Told("ours")):
        convert(tmp_path, [told])
    assert in_the_lake(tmp_path) == {"theirs": "duplicate", "ours": None}


@pytest.mark.parametrize("reverse", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["in order", "in reverse"])
def test_what_is_known_of_the_steps_between_calls_survives_a_restart(tmp_path: Path, reverse: bool) -> None:
    told, expected = SCENES["a sum above steps that are no calls"]
    for one in reversed(told) if reverse else told:
        convert(tmp_path, [one])
    assert in_the_lake(tmp_path) == expected


@pytest.mark.parametrize("point", ["before replace", "after replace", "never begun"])
def test_a_crash_while_rows_are_counted_again_loses_and_doubles_nothing(
    tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path, Told("theirs", PEER, parent="ours", at=(1, 99)).request(), Told("other", trace=2).request())
    converter = Converter(tmp_path)
    assert converter.convert_some()
    store(tmp_path, Told("ours").request())
    assert converter.convert_some()
    replace = LakeTable.replace

    def crashing_replace(*args: Any, **options: Any) -> bool:
        if point == "after replace":
            replace(*args, **options)
        raise CrashError

    if point != "never begun":
        with monkeypatch.context() as patched:
            patched.setattr(LakeTable, "replace", crashing_replace)
            with pytest.raises(CrashError):
                converter.recount_some()
    finish(Converter(tmp_path))
    with query.connect(tmp_path) as connection:
        found = connection.execute("SELECT name, not_counted_reason FROM spans ORDER BY name").fetchall()
    assert found == [("other", None), ("ours", None), ("theirs", "duplicate")]


def test_conversion_goes_on_while_a_large_file_is_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LAYOUTS, "spans", dataclasses.replace(LAYOUTS["spans"], row_group=1))
    outer = Told("outer", OURS, attributes=chat((30, 3)), at=(0, 100))
    first = Told("first", PEER, parent="outer", attributes=chat((10, 1)), at=(1, 40))
    second = Told("second", PEER, parent="outer", attributes=chat((20, 2)), at=(41, 99))
    store(tmp_path, first.request(), Told("other", trace=2).request())
    converter = Converter(tmp_path)
    assert converter.convert_some()
    store(tmp_path, outer.request())
    assert converter.convert_some()
    store(tmp_path, second.request())
    assert converter.recount_some()
    with query.connect(tmp_path) as connection:
        found = dict(connection.execute("SELECT name, not_counted_reason FROM spans").fetchall())
    assert (found["first"], set(found)) == ("duplicate", {"outer", "first", "second", "other"})
    assert not converter.convert_some(), "what had come was converted between two row groups"
    finish(converter)  # what it changed of the same rows is still to be written
    assert in_the_lake(tmp_path) == {"outer": "rollup", "first": None, "second": None, "other": None}


def test_a_failed_recount_is_put_off_and_conversion_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, Told("theirs", PEER, parent="ours", at=(1, 99)).request())
    converter = Converter(tmp_path)
    assert converter.convert_some()
    store(tmp_path, Told("ours").request())
    assert converter.convert_some()
    monkeypatch.setattr(LakeTable, "replace", lambda *_, **__: False)
    assert not converter.recount_some()
    store(tmp_path, Told("another", trace=2).request())
    assert converter.convert_some()
    monkeypatch.undo()
    finish(converter)
    assert in_the_lake(tmp_path) == {"theirs": "duplicate", "ours": None, "another": None}


def test_so_many_calls_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "CALLS_MAX", 2)
    later = [[Told(f"n{n}", trace=n)] for n in range(2, 6)]
    convert(tmp_path, [Told("theirs", PEER, parent="ours", at=(1, 99))], *later, [Told("ours")])
    assert in_the_lake(tmp_path) == {f"n{n}": None for n in range(2, 6)} | {"theirs": None, "ours": None}


def test_what_no_remembered_call_says_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "CALLS_MAX", 2)
    monkeypatch.setattr(recent, "_CHUNKS_MAX", 1)
    calls = recent.RecentCalls(list)
    for n in range(9):
        calls.settle(rows([Told(f"n{n}", trace=n, attributes=chat(**{"gen_ai.request.model": f"m{n}"}))]))
        kept = calls.look_back()["request_model"]
        assert kept.to_pylist() == [f"m{number}" for number in range(max(0, n - 1), n + 1)]
        assert sum(len(chunk.dictionary) for chunk in kept.chunks) <= 3


def test_so_many_links_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is further back leads nowhere: the sum is counted beside its parts."""
    monkeypatch.setattr(links, "LINKS_MAX", 2)
    monkeypatch.setattr(links, "_ROOM", 1)
    told, expected = SCENES["a sum above steps that are no calls"]
    others = [Told(f"o{n}", "http", trace=2, parent="x", attributes={}) for n in range(3)]
    for data, between in ((tmp_path / "near", others[:0]), (tmp_path / "far", others)):
        convert(data, told[1:2], between, told[2:], told[:1])
        assert in_the_lake(data) == (expected | {"outer": None} if between else expected)


def test_what_a_tenant_says_changes_nothing_of_anothers() -> None:
    told = rows([Told("a", attributes=chat(id="r1")), Told("b", PEER, trace=2, attributes=chat(id="r1"), at=(1, 99))])
    assert set(counted(counting.settle(told)).values()) == {None, "duplicate"}
    tenants = pa.array(["clinic", "lab"], pa.string())
    apart = told.set_column(told.schema.get_field_index("tenant"), "tenant", tenants)
    assert counted(counting.settle(apart)) == {"a": None, "b": None}

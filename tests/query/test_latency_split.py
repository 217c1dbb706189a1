"""Where the time of a trace goes: traces made by hand, to the millisecond."""

from __future__ import annotations

from typing import Any

import pytest

from otel_llm_collector.query import Table, connect, latency_split, selection, views_for

from .conftest import Run, SmallLake, span

PARTS = ("total_ms", "model_ms", "network_ms", "waiting_ms", "services_ms", "own_ms")


def call(span_id: int, parent: int, *, at_ms: float, ms: float, **columns: Any) -> dict[str, Any]:
    """A counted call below `parent`; `says` are the attributes of its span."""
    said = columns.pop("says", {})
    return span(span_id, parent, at=at_ms / 1000, ms=ms, cost="1", kind="CLIENT", attributes=[*said.items()], **columns)


def root(ms: float = 1000, /, **columns: Any) -> dict[str, Any]:
    return span(1, None, ms=ms, kind="SERVER", service_name="portal", **columns)


def provider_time(seconds: float) -> dict[str, str]:
    return {"otel_llm.provider.time": str(seconds)}


def answer(lake: SmallLake, *rows: dict[str, Any], by: str = "service", **chosen: Any) -> Table:
    lake.add(rows)
    with connect(lake.data, views=views_for()) as connection:
        return latency_split(connection, by, selection(connection, **chosen))


def parts(lake: SmallLake, *rows: dict[str, Any]) -> tuple[Any, ...]:
    [row] = answer(lake, *rows).rows()
    return tuple(row[part] for part in PARTS)


def test_what_is_no_call_is_own_code_and_an_unknown_network_is_no_figure(lake: SmallLake) -> None:
    assert parts(lake, root(), call(2, 1, at_ms=100, ms=600)) == (1000, 600, None, 0, 0, 400)


def test_calls_at_once_are_counted_once(lake: SmallLake) -> None:
    """100-500, 300-800 and, within it, 400-600."""
    found = parts(
        lake, root(), call(2, 1, at_ms=100, ms=400), call(3, 1, at_ms=300, ms=500), call(4, 1, at_ms=400, ms=200)
    )
    assert found == (1000, 700, None, 0, 0, 300)


def test_the_provider_says_what_was_not_the_network(lake: SmallLake) -> None:
    """600 ms, 540 of them at the provider; of the stream's 600 its first 200, 150 of them at the provider."""
    whole = call(2, 1, at_ms=0, ms=600, says=provider_time(0.54))
    assert parts(lake, root(), whole) == (1000, 540, 60, 0, 0, 400)
    stream = call(2, 1, at_ms=0, ms=600, says=provider_time(0.15), time_to_first_chunk_ns=200 * 10**6)
    other = SmallLake(lake.data.with_name("other")).create()
    assert parts(other, root(), stream) == (1000, 550, 50, 0, 0, 400)


def test_a_model_at_work_goes_before_the_network_of_another_call(lake: SmallLake) -> None:
    """Network 0-100 and 50-150, models 100-500 and 150-400: for the network 0-100 is left."""
    first = call(2, 1, at_ms=0, ms=500, says=provider_time(0.4))
    second = call(3, 1, at_ms=50, ms=350, says=provider_time(0.25))
    assert parts(lake, root(), first, second) == (1000, 400, 100, 0, 0, 500)


def test_waits_between_attempts_are_neither(lake: SmallLake) -> None:
    """Of 800 ms 300 were waits, and of the other 500 the provider took 450."""
    retried = call(2, 1, at_ms=0, ms=800, says={"otel_llm.retry.wait": "0.3", **provider_time(0.45)})
    assert parts(lake, root(), retried) == (1000, 450, 50, 300, 0, 200)


def test_services_are_told_from_own_code_and_stand_behind_models(lake: SmallLake) -> None:
    """A database 0-200, a model 100-300, and a request below the call's own span, which is the call's."""
    database = span(2, 1, at=0, ms=200, kind="CLIENT")
    below = span(4, 3, at=0.15, ms=100, kind="CLIENT")
    assert parts(lake, root(), database, call(3, 1, at_ms=100, ms=200), below) == (1000, 200, None, 0, 100, 700)


def test_a_server_that_was_asked_tells_the_network(lake: SmallLake) -> None:
    """A request of 500 ms to a service that worked 420 of them, 300 in a model: the clocks of both may differ."""
    asked, served = span(2, 1, at=0.1, ms=500, kind="CLIENT"), span(3, 2, at=0.14, ms=420, kind="SERVER")
    found = parts(lake, root(), asked, served, call(4, 3, at_ms=200, ms=300))
    assert found == (1000, 300, 80, 0, 0, 620)


def test_a_server_below_a_call_tells_its_network(lake: SmallLake) -> None:
    """A proxy of one's own: its span of kind SERVER is below the call's."""
    assert parts(lake, root(), call(2, 1, at_ms=0, ms=500), span(3, 2, at=0.02, ms=450, kind="SERVER")) == (
        1000,
        450,
        50,
        0,
        0,
        500,
    )


def test_the_same_call_told_twice_is_no_service(lake: SmallLake) -> None:
    echo = span(3, 1, at=0.05, ms=700, kind="CLIENT", not_counted_reason="echo")
    assert parts(lake, root(), call(2, 1, at_ms=100, ms=600), echo) == (1000, 600, None, 0, 0, 400)


def test_what_goes_on_behind_the_root_counts_and_gaps_do_not(lake: SmallLake) -> None:
    """The root ends at 100; a call in the background is 300-500."""
    assert parts(lake, root(100), call(2, 1, at_ms=300, ms=200)) == (300, 200, None, 0, 0, 100)


def test_clocks_that_cannot_be_are_left_out(lake: SmallLake) -> None:
    backwards = call(3, 1, at_ms=100, ms=-5)
    lost = call(4, 1, at_ms=0, ms=10**6, clock_flag="out_of_range")
    assert parts(lake, root(), call(2, 1, at_ms=100, ms=600), backwards, lost) == (1000, 600, None, 0, 0, 400)


@pytest.mark.parametrize("seconds", ["9", "-1", "nan", "much"])
def test_a_time_that_cannot_be_makes_no_network(lake: SmallLake, seconds: str) -> None:
    total, model, network, waiting, services, own = parts(
        lake, root(), call(2, 1, at_ms=0, ms=600, says={"otel_llm.provider.time": seconds})
    )
    assert (total, model, waiting, services, own) == (1000, 600, 0, 0, 400)
    assert network in (0, None)


def test_means_of_traces_by_a_dimension_of_their_first_call(lake: SmallLake) -> None:
    def trace(number: int, model: str, ms: float) -> list[dict[str, Any]]:
        return [
            span(1, None, number, ms=1000, kind="SERVER"),
            span(2, 1, number, at=0.1, ms=ms, cost="1", response_model=model),
            span(3, 1, number, at=0.9, ms=50, cost="1", response_model="later"),
        ]

    rows = [*trace(1, "one", 100), *trace(2, "one", 300), *trace(3, "two", 500)]
    found = answer(lake, *rows, by="model")
    shown = [(row["model"], row["traces"], row["calls"], row["model_ms"], row["own_ms"]) for row in found.rows()]
    assert shown == [("one", 2, 4, 250, 750), ("two", 1, 2, 550, 450)]
    assert found.total is not None
    assert (found.total["traces"], found.total["calls"], found.total["model_ms"]) == (3, 6, 350)


def test_dimensions_are_those_of_the_first_chosen_call_and_of_no_span_before_it(lake: SmallLake) -> None:
    rows = [root(), *(call(n, 1, at_ms=n, ms=5, service_name=name) for n, name in enumerate("abc", 2))]
    [row] = answer(lake, *rows, where="service_name >= 'b'").rows()
    assert (row["service"], row["calls"]) == ("b", 2)


def test_what_is_chosen_is_asked_of_calls_alone(lake: SmallLake) -> None:
    rows = [root(user_id="nobody"), call(2, 1, at_ms=0, ms=100, user_id="7")]
    [row] = answer(lake, *rows, where="CAST(user_id AS INTEGER) = 7").rows()
    assert (row["traces"], row["model_ms"]) == (1, 100)


def test_chosen_calls_choose_whole_traces(lake: SmallLake) -> None:
    rows = [root(), call(2, 1, at_ms=0, ms=100, prompt_name="a"), call(3, 1, at_ms=200, ms=100, prompt_name="b")]
    [row] = answer(lake, *rows, where="prompt_name = 'a'").rows()
    assert (row["traces"], row["calls"], row["model_ms"], row["total_ms"]) == (1, 1, 200, 1000)


def test_the_command_shows_it(lake: SmallLake, run: Run) -> None:
    lake.add([root(), call(2, 1, at_ms=0, ms=600, says=provider_time(0.54), service_name="portal")])
    shown = run("latency", "--split")
    assert shown.code == 0
    for word in ("service", "portal", "model", "540.0", "network", "60.0", "own", "400.0"):
        assert word in shown.out
    [row] = run("latency", "--split", "--by", "day", "--format", "json").json
    assert (row["day"], row["timed_calls"], row["network_ms"]) == ("2026-11-02", 1, 60)


def test_no_calls_no_rows(lake: SmallLake) -> None:
    found = answer(lake, root(), where="true")
    assert found.data.num_rows == 0

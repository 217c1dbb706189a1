"""Money from counts: exact whatever the host's decimal context is, and none where the counts cannot be."""

from __future__ import annotations

import decimal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_llm_semconv.pricing import Price, catalog, price, price_call, quote
from otel_llm_semconv.usage import FIELDS, PARTIAL, Usage

AT = datetime(2026, 1, 15, tzinfo=UTC)
MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-audio-preview"),
    ("openai", "gpt-realtime"),
    ("openai", "gpt-image-1.5"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gcp.gemini", "gemini-2.5-pro"),
]
HAIKU = MODELS[4]


def priced(usage: Usage, model: tuple[str, str] = HAIKU) -> Price:
    return price(*model, usage, AT)


@pytest.fixture
def fresh() -> Iterator[None]:
    """No rate is remembered from before, nor afterwards."""
    catalog._cards.clear()
    yield
    catalog._cards.clear()


def hostile() -> decimal.Context:
    """What an app may set: three digits, odd rounding, and an error for every result that is not exact."""
    traps = [decimal.Inexact, decimal.Rounded, decimal.Subnormal, decimal.Clamped, decimal.FloatOperation]
    return decimal.Context(prec=3, rounding=decimal.ROUND_UP, Emin=-3, Emax=3, traps=traps)


USAGE = Usage(123_457, 98_765, cache_read_tokens=12_345, cache_write_tokens=6_789, cache_write_1h_tokens=4_321)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model[1])
@pytest.mark.parametrize("in_thread", [False, True])
def test_the_hosts_decimal_context_changes_nothing(fresh: None, model: tuple[str, str], in_thread: bool) -> None:
    expected = priced(USAGE, model)
    catalog._cards.clear()
    found: list[Price] = []

    def ask() -> None:
        with decimal.localcontext(hostile()):
            found.extend([priced(USAGE, model), priced(USAGE, model)])  # the rates read, and remembered

    if in_thread:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    else:
        ask()
    assert found == [expected, expected]
    assert priced(USAGE, model) == expected


def test_the_default_context_of_the_process_changes_nothing_either() -> None:
    context = quote.money.CONTEXT
    assert (context.prec, context.Emax, any(context.traps.values())) == (60, decimal.MAX_EMAX, False)


def test_writes_for_an_hour_alone_are_charged_once() -> None:
    alone = priced(Usage(1000, 10, cache_write_1h_tokens=400))
    both = priced(Usage(1000, 10, cache_write_tokens=400, cache_write_1h_tokens=400))
    assert alone == both
    # claude-haiku-4-5, USD a million: input 1, write for an hour 2, output 5
    assert alone.amount == Decimal(600 * 1 + 400 * 2 + 10 * 5) / 1_000_000
    assert priced(Usage(100, 10, cache_write_1h_tokens=400)).status == quote.INCONSISTENT_USAGE


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [-1, 1 << 63, 10**80])
def test_a_count_that_cannot_be_has_no_price(name: str, value: int) -> None:
    usage = replace(Usage(10**6, 10**6), **{name: value})
    assert not usage.is_consistent()
    assert priced(usage) == Price(quote.INCONSISTENT_USAGE)


def test_the_first_model_that_is_known_is_the_price() -> None:
    usage = Usage(10, 10)
    wanted = price(*HAIKU, usage, AT)
    for models in ((HAIKU[1],), ("nobody-knows", HAIKU[1]), (None, HAIKU[1]), (HAIKU[1], "claude-sonnet-4-5")):
        assert price_call(HAIKU[0], models, usage, AT) == wanted
    for none in ((), (None,), ("nobody-knows", None)):
        assert price_call(HAIKU[0], none, usage, AT) == Price(quote.UNKNOWN_MODEL)
    assert price_call(HAIKU[0], (), Usage(), AT) == Price(quote.MISSING_USAGE)
    assert price_call(None, (HAIKU[1],), usage, AT).status == quote.UNKNOWN_MODEL
    assert price_call(HAIKU[0], ("nobody-knows", HAIKU[1]), Usage(-1), AT).status == quote.INCONSISTENT_USAGE
    assert price_call(HAIKU[0], [HAIKU[1]], usage, AT, usage_status=PARTIAL) == wanted


COUNTS = st.none() | st.integers(0, 10**6)
UNADVISED = FIELDS[:-2]
USAGES = st.builds(Usage, *(COUNTS for _ in UNADVISED))
ANY = st.builds(Usage, *(COUNTS | st.integers() for _ in UNADVISED))


@given(ANY, st.sampled_from(MODELS))
def test_the_components_are_the_amount_and_only_of_what_was_said(usage: Usage, model: tuple[str, str]) -> None:
    found = priced(usage, model)
    if found.amount is None:
        assert found.components == {}
        assert usage.input_tokens is None or not usage.is_consistent() or found.status == quote.UNKNOWN_MODEL
        return
    assert usage.is_consistent()
    assert usage.input_tokens is not None
    assert sum(found.components.values(), Decimal(0)) == found.amount
    assert all(amount >= 0 and amount.as_tuple().exponent == -12 for amount in found.components.values())
    said = {"cache_write" if name.startswith("cache_write") else name for name, value in fields(usage) if value}
    charged = {"cache_write" if name.startswith("cache_write") else name for name, a in found.components.items() if a}
    assert charged <= said | {"request"}


def fields(usage: Usage) -> Iterator[tuple[str, int | None]]:
    """Counts by the components that they are shown as."""
    for name in FIELDS:
        component = name.removesuffix("_tokens").replace("searches", "search")
        yield catalog.SHOWN_AS.get(component, component), getattr(usage, name)


#: Each bucket with the wholes that it is a part of: one token more of it is one more of each.
BUCKETS = {
    "input_tokens": (),
    "output_tokens": (),
    "cache_read_tokens": ("input_tokens",),
    "cache_write_tokens": ("input_tokens",),
    "cache_write_1h_tokens": ("cache_write_tokens", "input_tokens"),
    "reasoning_tokens": ("output_tokens",),
    "audio_input_tokens": ("input_tokens",),
    "audio_output_tokens": ("output_tokens",),
    "image_input_tokens": ("input_tokens",),
    "image_output_tokens": ("output_tokens",),
    "web_searches": (),
}


@given(USAGES, st.sampled_from(MODELS), st.integers(0, 10**6), st.sampled_from(sorted(BUCKETS)))
def test_more_tokens_never_cost_less(usage: Usage, model: tuple[str, str], more: int, name: str) -> None:
    before = priced(usage, model)
    counts = {one: getattr(usage, one) for one in (name, *BUCKETS[name])}
    if before.amount is None or None in counts.values():
        return
    after = priced(replace(usage, **{one: count + more for one, count in counts.items()}), model)
    if after.status == quote.UNKNOWN_MODEL:  # of what was not used before, there is no price
        assert usage.web_searches == 0
        return
    assert after.amount is not None
    assert after.amount >= before.amount


@given(USAGES)
def test_what_is_implied_is_all_that_is_completed(usage: Usage) -> None:
    whole = usage.completed()
    assert whole == whole.completed()
    assert replace(whole, cache_write_tokens=usage.cache_write_tokens) == usage
    implied = usage.cache_write_1h_tokens if usage.cache_write_tokens is None else usage.cache_write_tokens
    assert whole.cache_write_tokens == implied
    assert whole.is_consistent() == usage.is_consistent()

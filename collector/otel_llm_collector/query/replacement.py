"""What calls would have cost with another model in the place of theirs, their tokens unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from otel_llm.errors import UsageError
from otel_llm_semconv.pricing import catalog, source
from otel_llm_semconv.usage import FIELDS

from .answers import Selection
from .opening import fill, question
from .questions import cost
from .statements import readable_errors

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


#: Whose price is meant where several sell a model: those who make it.
_MAKERS: Final = ("openai", "anthropic", "google", "mistral", "deepseek", "x-ai", "cohere", "meta", "moonshotai", "zai")
#: What an adviser took stays out: another model has none.
_ADVISED: Final = "advisor_"


@dataclass(frozen=True, slots=True)
class Replacement:
    """A model as calls name it, and the provider and model in its place."""

    old: str
    provider: str
    new: str

    @classmethod
    def of(cls, text: str) -> Replacement:
        """`OLD=NEW`, NEW with or without its provider in front: `gpt-4o=google/gemini-2.5-flash`.

        Raises UsageError for what is not written so, and for a model that has no price or several providers.
        """
        old, _, new = (part.strip() for part in text.partition("="))
        if not old or not new:
            raise UsageError(f"cannot read {text!r}: write OLD=NEW, such as gpt-4o=gpt-4o-mini")
        provider, slash, model = new.partition("/")
        if slash and _has_price(provider, model):
            return cls(old, provider, model)
        return cls(old, _provider_of(new), new)


def cost_with(connection: duckdb.DuckDBPyConnection, replacements: Sequence[Replacement], chosen: Selection) -> float:
    """What the chosen calls would cost with the replacements, as a part of what those with a price did cost.

    A call belongs to a replacement where its model, the one that answered or the one that was asked for, is OLD, or
    begins with OLD and a date. Raises UsageError where no call with a price does, and where one belongs to two.
    """
    import pyarrow.compute as pc

    billed = cost(connection, "day", chosen).total or {}
    whole, changed, replaced = float(billed["cost_usd"] or 0), 0.0, set[Any]()
    for replacement in replacements:
        calls = _calls(connection, chosen, replacement.old)
        if not calls.num_rows:
            raise UsageError(f"no call of {replacement.old!r} with a price in the last 28 days: see `otel-llm cost`")
        if len(replacements) > 1:
            own = set(calls["row_id"].to_pylist())
            if replaced & own:
                raise UsageError(f"calls of {replacement.old!r} would be replaced twice: name each model once")
            replaced |= own
        changed += _priced(calls, replacement) - float(pc.sum(calls["billed_usd"]).as_py())
    return max(1 + changed / whole, 0.0) if whole else 1.0


def _calls(connection: duckdb.DuckDBPyConnection, chosen: Selection, model: str) -> pa.Table:
    query = fill(
        question("replacement"), counts=", ".join(FIELDS), filter=" AND ".join(chosen.conditions), where=chosen.where
    )
    with readable_errors(None if chosen.where == "true" else chosen.where):
        found: pa.Table = connection.sql(query, params={**chosen.parameters, "model": model}).to_arrow_table()
    return found


def _priced(calls: pa.Table, replacement: Replacement) -> float:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from ..columns import pricing

    rows = calls.num_rows
    words = {"provider": replacement.provider, "response_model": replacement.new}
    priced = pricing.price(
        pricing.Calls(
            at_s=np.full(rows, int(datetime.now(UTC).timestamp())),
            words={name: pa.repeat(pa.scalar(value), rows) for name, value in words.items()},
            counts={name: calls[name].combine_chunks() for name in FIELDS if not name.startswith(_ADVISED)},
        )
    )
    if priced["cost_usd"].null_count:
        raise UsageError(f"some calls of {replacement.old!r} have no price with {replacement.new!r}")
    return float(pc.sum(priced["cost_usd"]).as_py())


def _has_price(provider: str, model: str) -> bool:
    card = catalog.rate_card(provider, model, datetime.now(UTC), None)
    return card is not None and bool(card.rates)


def _provider_of(model: str) -> str:
    found = [one.id for one in source.current().snapshot.providers if _has_price(one.id, model)]
    if not found:
        raise UsageError(f"no price of {model!r}: `otel-llm prices list` has all models")
    for maker in _MAKERS:
        if maker in found:
            return maker
    if len(found) > 1:
        raise UsageError(f"several providers sell {model!r}: write PROVIDER/{model}, of {', '.join(found)}")
    return found[0]

"""Prices of one's own: what a contract says goes before the list.

A file of contracts is TOML, or YAML where PyYAML is installed:

    [[contract]]
    name = "volume discount"
    provider = "anthropic"                      # as spans name it
    model = "claude-*"                          # glob; all models without it
    endpoint = "*.clinic.example"               # glob over server.address
    property = { department = "cardiology" }    # all of them have to be there
    since = 2026-01-01                          # UTC; the first day
    until = 2027-01-01                          # the day after the last
    multiplier = "0.88"                         # of every listed price of tokens

    [[contract]]
    provider = "openai"
    model = "gpt-4o-mini"
    prices = { input_mtok = "0.10", output_mtok = "0.40", requests_kcount = "1" }   # USD a million, or a thousand

The first that matches a call is its price; `prices` replaces those that it names and leaves the rest as listed.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from . import source
from .catalog import COMPONENTS, DIVISORS, Rate, RateCard, billed
from .contract_file import BadContractsError, Item, items
from .money import per_unit
from .names import PROVIDER_IDS, provider_id, seller_of

_KEYS: Final = ("endpoint", "model", "multiplier", "name", "prices", "property", "provider", "since", "until")
#: No price of a million or a thousand, and no multiple of one, is larger.
_NUMBER_MAX: Final = 1_000_000
#: What a contract names that leaves no price of a call's text to the list.
_WHOLE: Final = {"input_mtok", "output_mtok"}
#: How alike the name of a provider of one's own may be to one that is known: more is a slip.
_LIKENESS_MAX: Final = 0.85


@dataclass(frozen=True, slots=True)
class Contract:
    """What one contract says. Empty patterns match everything; `since` is inclusive, `until` is not."""

    name: str
    line: int
    provider: str = ""
    model: str = ""
    endpoint: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    multiplier: Decimal | None = None
    rates: Mapping[str, Rate] = field(default_factory=dict)

    def covers(
        self, provider: str, models: Iterable[str | None], at: datetime, endpoint: str, properties: Mapping[str, str]
    ) -> bool:
        """True where it is the price of such a call."""
        if not self.is_about(provider, models, endpoint):
            return False
        if (self.since and at < self.since) or (self.until and at >= self.until):
            return False
        return all(properties.get(key) == value for key, value in self.properties.items())

    def is_about(self, provider: str, models: Iterable[str | None], endpoint: str) -> bool:
        """True where it is the price of such calls at some time, for somebody."""
        named = [model for model in models if model]
        if self.provider and provider_id(self.provider) not in _sellers(provider, named):
            return False
        if self.model and not any(fnmatchcase(model.lower(), self.model) for model in named):
            return False
        return not self.endpoint or fnmatchcase(endpoint.lower(), self.endpoint)

    def applied(self, card: RateCard | None) -> RateCard | None:
        """A model's rates under the contract; None where neither the list nor the contract knows any.

        A contract that names what is asked and what is answered leaves nothing of the list to be assumed.
        """
        rates = dict(card.rates) if card is not None else {}
        if self.multiplier is not None:
            factor = self.multiplier
            rates = {key: rate.times(factor) if key.endswith("_mtok") else rate for key, rate in rates.items()}
        rates.update(self.rates)
        if card is None or not rates:
            return RateCard(rates, tier_known=True, by_component=billed(rates)) if rates else None
        if self.rates.keys() >= _WHOLE:
            card = replace(card, tier_known=True, assumed_above=None)
        parts = frozenset(part for part in card.assumed_parts if COMPONENTS[part] not in self.rates)
        return replace(card, rates=rates, by_component=billed(rates), assumed_parts=parts)


def _sellers(provider: str, models: Iterable[str]) -> set[str]:
    """Who sells the models, by the names of the price data."""
    return {provider_id(seller_of(provider, model)[0]) for model in models} or {provider_id(provider)}


@dataclass(frozen=True, slots=True)
class Contracts:
    """The contracts of a file, in its order. `version` changes with every change of the file.

    `deployments` are the models behind names that only their owner knows.
    """

    rows: tuple[Contract, ...] = ()
    version: str = ""
    deployments: Mapping[str, str] = field(default_factory=dict)

    def deployed(self, *models: str | None) -> str | None:
        """The model behind the first of these names that is a deployment's."""
        return next((self.deployments[model] for model in models if model and model in self.deployments), None)

    def find(
        self,
        provider: str,
        models: Iterable[str | None],
        at: datetime,
        endpoint: str = "",
        properties: Mapping[str, str] | None = None,
    ) -> Contract | None:
        """The first that is the price of such a call, made at `at` (aware), if one is."""
        asked = tuple(models)
        return next((row for row in self.rows if row.covers(provider, asked, at, endpoint, properties or {})), None)


def read(path: Path) -> Contracts:
    """The contracts of a file. Raises BadContractsError, OSError."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadContractsError(path, raw.count(b"\n", 0, error.start) + 1, "not UTF-8") from error
    rows: dict[str, Contract] = {}
    for item in items(path, text):
        row = _Reading(item).contract()
        if row.name in rows:  # by its name a price is known
            raise item.wrong("name", f"a contract is named {row.name!r} already, in line {rows[row.name].line}")
        rows[row.name] = row
    return Contracts(tuple(rows.values()), hashlib.sha256(raw).hexdigest()[:7])


class _Reading:
    """One contract on its way out of a file."""

    def __init__(self, item: Item) -> None:
        self._item, self._said = item, item.said

    def contract(self) -> Contract:
        if not isinstance(self._said, dict):
            raise self._item.wrong("", "a contract is a table of keys")
        for key in self._said:
            if key not in _KEYS:
                raise self._item.wrong(key, f"unknown key {key!r}; there are {', '.join(_KEYS)}")
        if ("multiplier" in self._said) == ("prices" in self._said):
            raise self._item.wrong("multiplier", "a contract has a multiplier or prices, one of them")
        self._check_provider()
        since, until = self._moment("since"), self._moment("until")
        if since and until and since >= until:
            raise self._item.wrong("until", "until is after since: it is the day after the last")
        return Contract(
            name=self._text("name") or f"line {self._item.line}",
            line=self._item.line,
            provider=self._text("provider"),
            model=self._text("model").lower(),
            endpoint=self._text("endpoint").lower(),
            properties=self._properties(),
            since=since,
            until=until,
            multiplier=self._number("multiplier", self._said["multiplier"]) if "multiplier" in self._said else None,
            rates=self._rates(),
        )

    def _check_provider(self) -> None:
        """A provider of one's own has prices of one's own, and a name that is no slip of another's."""
        name = self._text("provider").lower()
        known = {*source.provider_ids(), *PROVIDER_IDS}
        if not name or name in known:
            return
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=_LIKENESS_MAX)
        hint = f", did you mean {near[0]!r}?" if near else "; `otel-llm prices list` has those with prices"
        if near or "multiplier" in self._said:
            raise self._item.wrong("provider", f"unknown provider {name!r}{hint}")

    def _text(self, key: str) -> str:
        """What it says; nothing where the key is left out, which an empty text would hide."""
        value = self._said.get(key)
        if value is None:
            return ""
        if not isinstance(value, str) or not value.strip():
            raise self._item.wrong(key, f"{key} is a string that says something; leave it out for all")
        return value

    def _properties(self) -> dict[str, str]:
        value = self._said.get("property", {})
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise self._item.wrong("property", "property is a table of strings")
        return dict(value)

    def _moment(self, key: str) -> datetime | None:
        value = self._said.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise self._item.wrong(key, f"{key} is a date such as 2026-01-31") from None
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        raise self._item.wrong(key, f"{key} is a date such as 2026-01-31")

    def _rates(self) -> dict[str, Rate]:
        prices = self._said.get("prices", {})
        if not isinstance(prices, dict) or ("prices" in self._said and not prices):
            raise self._item.wrong("prices", 'prices is a table such as { input_mtok = "0.10" }')
        rates = {}
        for key, value in prices.items():
            if key not in DIVISORS:
                raise self._item.wrong(key, f"unknown price {key!r}; there are {', '.join(sorted(DIVISORS))}")
            rates[key] = Rate(per_unit(self._number(key, value), DIVISORS[key]))
        return rates

    def _number(self, key: str, value: Any) -> Decimal:
        """A number that is written as one, or as text, which keeps every digit."""
        try:
            number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or not 0 <= number <= _NUMBER_MAX:
            raise self._item.wrong(key, f'{key} is a number of at least 0 and at most {_NUMBER_MAX}, such as "0.88"')
        return number


__all__ = ["BadContractsError", "Contract", "Contracts", "read"]

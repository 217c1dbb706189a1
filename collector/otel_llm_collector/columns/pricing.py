"""What many calls cost: `otel_llm_semconv.pricing` by columns, equal to the last digit.

Calls that differ in nothing but time and counts share their rates until these change. So rates are looked up once a
group, and multiplied in integers of 64 bits. A row for which these might be too small, or that another
model advised, is priced by the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_llm_semconv.pricing import Price, catalog, quote
from otel_llm_semconv.pricing.catalog import COMPONENTS, SHOWN_AS, Rate, RateCard
from otel_llm_semconv.pricing.contracts import Contract
from otel_llm_semconv.usage import ESTIMATED, Usage

from ..normalise import MONEY_MAX, fit
from .arrays import Bools, Column, Ints, Words, dense, picodollars, texts, words_of
from .counts import UNKNOWN, Count, Counts, count_of

_YOCTO_PER_PICO: Final = 10**12
_HALF: Final = _YOCTO_PER_PICO // 2
#: A component may cost so many picodollars at most, so that the sum of all of them fits into 64 bits.
_PICO_MAX: Final = 4e17
_REST_MAX: Final = 9e18
_INT64_MAX: Final = (1 << 63) - 1
_GROUPS_MAX: Final = _INT64_MAX
_TOTAL_MAX: Final = MONEY_MAX * 10**12
_STATUSES: Final = (None, *quote.STATUSES)
_CODE_OF: Final = {status: code for code, status in enumerate(_STATUSES)}
#: Rows that are worked on at a time: few enough that they stay near the processor.
_BLOCK: Final = 1 << 15
_DAY_S: Final = 86_400
_THURSDAY: Final = 3  # the weekday of 1970-01-01
#: The columns of `spans` that hold a component.
SHOWN: Final = tuple(dict.fromkeys(SHOWN_AS.get(component, component) for component in COMPONENTS))
#: What a price depends on beside counts and time.
_WORDS: Final = (
    "provider", "response_model", "deployed_model", "request_model", "service_tier", "place", "usage_status",
    "advisor_model",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls to be priced: when (seconds since 1970), texts and counts by their names as columns (absent: NULL).

    The texts are those of `_WORDS`. `contract` is the place of each call's contract in `contracts`, or -1.
    """

    at_s: Ints
    words: Mapping[str, Column]
    counts: Mapping[str, Column]
    contracts: Sequence[Contract] = ()
    contract: Ints | None = None

    def __len__(self) -> int:
        return len(self.at_s)


def price(calls: Calls) -> pa.Table:
    """The columns `cost_...` and `price_version` of the calls, as `price_call` and `fit` have them."""
    words = {name: words_of(calls.words.get(name), len(calls)) for name in _WORDS}
    cards = _Cards(calls, words)
    starts = range(0, len(calls), _BLOCK) or (0,)
    return pa.Table.from_batches([_price_block(calls, words, cards, start) for start in starts])


def _price_block(calls: Calls, words: Mapping[str, Words], cards: _Cards, start: int) -> pa.RecordBatch:
    rows = len(cards.of_row[start : start + _BLOCK])
    counts = Counts({name: count_of(column.slice(start, rows)) for name, column in calls.counts.items()})
    group = cards.of_row[start : start + rows]
    priced = _Priced(_reasons(counts, cards.unknown[group]))
    by_reference = np.broadcast_to(counts.are_huge() | counts.are_advised(), rows)
    usable = np.flatnonzero((priced.status == 0) & ~by_reference)
    if len(usable):
        bill = _Bill(cards, group[usable], counts.at(usable).completed())
        priced.put(usable, bill, _is_estimated(words["usage_status"], start + usable))
    for row in np.flatnonzero(priced.is_odd | by_reference).tolist():
        found = _price_row(calls, words, counts.of_row(row), start + row)
        priced.put_row(row, found, cards.version_code(found.version))
    return priced.columns(cards.versions)


def _reasons(counts: Counts, is_unknown: Bools) -> npt.NDArray[np.int8]:
    """The statuses of rows that have no price; 0 of the others."""
    status = np.where(is_unknown, _CODE_OF[quote.UNKNOWN_MODEL], 0).astype(np.int8)
    has_input, has_output = counts["input_tokens"].known, counts["output_tokens"].known
    status[np.broadcast_to(~has_input, len(status))] = _CODE_OF[quote.MISSING_USAGE]
    status[counts.are_inconsistent()] = _CODE_OF[quote.INCONSISTENT_USAGE]
    status[np.broadcast_to(~(has_input | has_output), len(status))] = _CODE_OF[quote.MISSING_USAGE]
    return status


def _is_estimated(usage_status: Words, rows: Ints) -> Bools:
    is_so: Bools = np.array([value == ESTIMATED for value in usage_status.values], np.bool_)
    return np.asarray(is_so[usage_status.codes[rows]])


class _Priced:
    """What was found out, row by row. `status` 0 is a row of which nothing is known yet."""

    def __init__(self, status: npt.NDArray[np.int8]) -> None:
        rows = len(status)
        self.status = status
        self.version = np.full(rows, -1, np.int32)
        self.total = np.zeros(rows, np.int64)
        self.is_odd = np.zeros(rows, np.bool_)
        self._costs: dict[str, tuple[Ints, Bools]] = {}

    def put(self, rows: Ints, bill: _Bill, is_estimated: Bools) -> None:
        """What some rows cost."""
        total = np.zeros(len(rows), np.int64)
        into: Any = slice(None) if len(rows) == len(self.status) else rows
        for component, cost in bill.costs().items():
            total += cost.value
            picos, known = self._of(component)
            picos[into], known[into] = cost.value, cost.known
        status = bill.status(is_estimated)
        is_broken = total > _TOTAL_MAX
        status[is_broken] = _CODE_OF[quote.INCONSISTENT_USAGE]
        if np.any(bill.is_unrated):
            status[bill.is_unrated] = _CODE_OF[quote.UNKNOWN_MODEL]
            is_broken |= bill.is_unrated
        self.status[rows], self.total[rows], self.is_odd[rows] = status, total, bill.is_odd
        self.version[rows] = bill.cards.version[bill.group]
        self._void(rows[is_broken])

    def put_row(self, row: int, price: Price, version: int) -> None:
        """What the reference says of a row."""
        self._void(np.array([row]))
        self.status[row], self.version[row], self.total[row] = _CODE_OF[price.status], version, price.pico or 0
        for component, pico in (price.picos or {}).items():
            picos, known = self._of(component)
            picos[row], known[row] = pico, True

    def columns(self, versions: Sequence[str]) -> pa.RecordBatch:
        """The columns of `spans`; `version` is a place in `versions`."""
        nothing = pa.nulls(len(self.status), pa.decimal128(18, 12))
        costs = {name: picodollars(*self._costs[name]) if name in self._costs else nothing for name in SHOWN}
        found = {
            "cost_usd": picodollars(self.total, self.version >= 0),
            **{f"cost_{name}_usd": column for name, column in costs.items()},
            "cost_status": texts(self.status, _STATUSES),
            "price_version": texts(self.version + 1, [None, *versions]),
        }
        return pa.record_batch(found)

    def _void(self, rows: Ints) -> None:
        """Take the figures of these rows back."""
        self.version[rows] = -1
        for _, known in self._costs.values():
            known[rows] = False

    def _of(self, component: str) -> tuple[Ints, Bools]:
        rows = len(self.status)
        return self._costs.setdefault(component, (np.zeros(rows, np.int64), np.zeros(rows, np.bool_)))


@dataclass(slots=True)
class _Rates:
    """The rates of one component: whole picodollars a unit, and the rest in yoctodollars.

    Those of a group lie side by side, from tier to tier: `starts` are the starts of the second tier, the third and so
    on, by group.
    """

    known: Bools
    starts: npt.NDArray[np.int64]
    picos: npt.NDArray[np.int64]
    rests: npt.NDArray[np.int64]

    @staticmethod
    def of(rates: Sequence[Rate | None]) -> _Rates | None:
        if not any(rates):
            return None
        tiers = max(len(rate.tiers) for rate in rates if rate)
        steps = [_steps(rate, tiers) for rate in rates]
        parts = [divmod(yoctos, _YOCTO_PER_PICO) for step in steps for _, yoctos in step]
        return _Rates(
            np.array([rate is not None for rate in rates]),
            np.array([[step[tier][0] for step in steps] for tier in range(1, tiers + 1)], np.int64),
            np.array([min(pico, _INT64_MAX) for pico, _ in parts], np.int64),
            np.array([rest for _, rest in parts], np.int64),
        )

    def places(self, group: Ints, whole_input: Ints) -> Ints:
        """Where the rate of each row stands."""
        if not len(self.starts):
            return group
        found: Ints = group * (len(self.starts) + 1)
        for starts in self.starts:
            found += whole_input > starts.take(group)
        return found

    def costs(self, places: Ints, units: Ints) -> tuple[Ints, Any]:
        """So many units at their rates in picodollars, rounded half-even, and where that may be wrong."""
        pico, most = self.picos.take(places), float(units.max(initial=0))
        costs: Ints = pico * units
        is_odd: Any = False
        if float(self.picos.max()) * most > _PICO_MAX:
            is_odd = pico.astype(np.float64) * units > _PICO_MAX
        if self.rests.any():
            rest = self.rests.take(places)
            is_odd |= rest.astype(np.float64) * units > _REST_MAX
            rows = np.flatnonzero(rest)
            costs[rows] = _rounded(costs[rows], rest[rows] * units[rows])
        return costs, is_odd


def _rounded(picos: Ints, yoctos: Ints) -> Ints:
    """Whole picodollars and some yoctodollars, rounded half-even."""
    more, rest = np.divmod(yoctos, _YOCTO_PER_PICO)
    picos = picos + more
    is_up = (rest > _HALF) | ((rest == _HALF) & (picos & 1 == 1))
    return np.asarray(picos + is_up)


def _steps(rate: Rate | None, tiers: int) -> list[tuple[int, int]]:
    """The rates of a component from tier to tier, each with its start, as many as any model has."""
    if rate is None:
        return [(_INT64_MAX, 0)] * (tiers + 1)
    found = [(0, rate.base), *rate.tiers]
    return [*found, *[(_INT64_MAX, 0)] * (tiers + 1 - len(found))]


class _Cards:
    """The rate cards of some calls: `of_row` is the group of each, all other arrays are by group."""

    def __init__(self, calls: Calls, words: Mapping[str, Words]) -> None:
        self.of_row, firsts = _grouped(calls, words)
        self.versions: list[str] = []
        found = [_card(calls, words, row) for row in firsts.tolist()]
        cards = [card for card, _ in found]
        self.version = np.array([self.version_code(name) for _, name in found], np.int64)
        self.unknown = np.array([card is None for card in cards], np.bool_)
        self.tier_known = np.array([card is not None and card.tier_known for card in cards], np.bool_)
        self.assumed_above = np.array([_end_of(card) for card in cards], np.int64)
        self.assumed = {
            part: np.array([card is not None and part in card.assumed_parts for card in cards], np.bool_)
            for part in catalog.MEDIA
        }
        self.two_ttls = self.own(cards, "cache_write_1h")
        self.parts = {name: self.own(cards, name) for name in quote.PARTS}
        self.rates = {
            name: _Rates.of([card.by_component.get(name) if card else None for card in cards]) for name in COMPONENTS
        }
        alike: dict[bytes, npt.NDArray[np.int64]] = {}
        for rates in filter(None, self.rates.values()):
            rates.starts = alike.setdefault(rates.starts.tobytes(), rates.starts)

    @staticmethod
    def own(cards: Sequence[RateCard | None], component: str) -> Bools:
        """Where a component has a rate of its own."""
        key = COMPONENTS[component]
        return np.array([card is not None and key in card.rates for card in cards], np.bool_)

    def version_code(self, version: str | None) -> int:
        if version is None:
            return -1
        if version not in self.versions:
            self.versions.append(version)
        return self.versions.index(version)


def _end_of(card: RateCard | None) -> int:
    """How long a prompt may be for the price to be known."""
    return _INT64_MAX if card is None or card.assumed_above is None else card.assumed_above


def _grouped(calls: Calls, words: Mapping[str, Words]) -> tuple[Ints, Ints]:
    """The group of each row, and a row of each group."""
    told: list[tuple[npt.NDArray[Any], int]] = [(words[name].codes, len(words[name].values)) for name in _WORDS[:-2]]
    if calls.contract is not None:
        told.append((calls.contract + 1, len(calls.contracts) + 1))
    group, numbers = np.zeros(len(calls), np.int64), 1
    for codes, distinct in told:
        if numbers * distinct > _GROUPS_MAX:
            group, firsts = dense(group)
            numbers = len(firsts)
        if distinct > 1:
            group = group * distinct + codes
            numbers *= distinct
    group, firsts = dense(group)
    era = np.zeros(len(group), np.int64)
    for changes, groups in _changing(words, firsts).items():
        is_among = np.zeros(len(firsts), np.bool_)
        is_among[groups] = True
        rows = np.flatnonzero(is_among[group])
        era[rows] = _era(changes, calls.at_s[rows])
    return dense((era << 32) + group)


def _changing(words: Mapping[str, Words], firsts: Ints) -> dict[catalog.Changes, list[int]]:
    """The groups whose rates depend on the time, by how they do."""
    found: dict[catalog.Changes, list[int]] = {}
    for group, row in enumerate(firsts.tolist()):
        provider, *models = list(_texts(words, row))[:4]
        changes = catalog.Changes()
        for model in models if provider else ():
            changes |= catalog.changes(provider, model) if model else changes
        if changes != catalog.Changes():
            found.setdefault(changes, []).append(group)
    return found


def _era(changes: catalog.Changes, at_s: Ints) -> Ints:
    """A number for each stretch of time in which nothing changes."""
    era = np.searchsorted(sorted(changes.once_s), at_s, side="right")
    second = at_s % _DAY_S
    time = np.searchsorted(sorted(changes.times_s), second, side="right")
    weekday = (at_s // _DAY_S + _THURSDAY) % 7 if changes.is_weekly else 0
    return ((era * (len(changes.times_s) + 1) + time) * 7 + weekday).astype(np.int64)


def _texts(words: Mapping[str, Words], row: int) -> Iterator[str | None]:
    for name in _WORDS:
        codes, values = words[name]
        yield values[codes[row]]


def _card(calls: Calls, words: Mapping[str, Words], row: int) -> tuple[RateCard | None, str | None]:
    """The rates of a row, and the version of the prices that they are."""
    provider, *models, tier, place, _, _ = _texts(words, row)
    card = quote.find_card(provider, tuple(models), int(calls.at_s[row]), tier, place) if provider else None
    contract = _contract(calls, row)
    if contract is not None:
        card = contract.applied(card)
    return card, None if card is None else quote.version_of(contract)


def _contract(calls: Calls, row: int) -> Contract | None:
    place = -1 if calls.contract is None else int(calls.contract[row])
    return None if place < 0 else calls.contracts[place]


def _price_row(calls: Calls, words: Mapping[str, Words], usage: Usage, row: int) -> Price:
    provider, *models, tier, place, usage_status, adviser = _texts(words, row)
    priced = quote.price_call(
        provider,
        models,
        usage,
        datetime.fromtimestamp(int(calls.at_s[row]), UTC),
        service_tier=tier,
        place=place,
        usage_status=usage_status,
        contract=_contract(calls, row),
        adviser=adviser,
    )
    return fit(priced)


@dataclass(slots=True)
class _Bill:
    """Units of calls on their way to money: the rules of `quote.py`, by columns."""

    cards: _Cards
    group: Ints
    counts: Counts
    is_odd: Any = field(default=False)
    is_unrated: Any = field(default=False)  # where something was used that has no rate
    _known_places: dict[int, Ints] = field(default_factory=dict)

    def costs(self) -> dict[str, Count]:
        """Picodollars by the component that they are shown as."""
        found: dict[str, Count] = {}
        for component, units in self._units().items():
            cost = self._cost(component, units)
            column = SHOWN_AS.get(component, component)
            if cost:
                found[column] = found.get(column, UNKNOWN).plus(cost)
        return found

    def status(self, is_estimated: Bools) -> npt.NDArray[np.int8]:
        """How sure the figures are."""
        has_no_split = (self.counts["cache_write_tokens"].value > 0) & ~self.counts["cache_write_1h_tokens"].known
        status = np.full(len(self.group), _CODE_OF[quote.EXACT], np.int8)
        has_hours = self.counts["cache_write_1h_tokens"].value > 0
        two_ttls = self.cards.two_ttls[self.group]
        status[(two_ttls & has_no_split) | (~two_ttls & has_hours)] = _CODE_OF[quote.ASSUMED_TTL]
        status[~self.cards.tier_known[self.group] | self._are_assumed()] = _CODE_OF[quote.ASSUMED_TIER]
        status[is_estimated] = _CODE_OF[quote.ESTIMATED_TOKENS]
        return status

    def _are_assumed(self) -> Bools:
        """Where something was used whose price nobody tells: a long prompt, or a medium."""
        found: Bools = self.counts["input_tokens"].value > self.cards.assumed_above[self.group]
        for part, is_assumed in self.cards.assumed.items():
            if units := self.counts[f"{part}_tokens"]:
                found = found | ((units.value > 0) & is_assumed[self.group])
        return found

    def _cost(self, component: str, units: Count) -> Count:
        rates = self.cards.rates.get(component)
        if not units:
            return UNKNOWN
        known: Any = units.known
        if rates is None or not rates.known.all():
            has_rate: Any = np.False_ if rates is None else rates.known.take(self.group)
            known = known & has_rate
            if component != quote.FEE:
                self.is_unrated = self.is_unrated | ((units.value > 0) & ~has_rate)
        if rates is None:
            return UNKNOWN
        costs, is_odd = rates.costs(self._places(rates), units.value)
        self.is_odd = self.is_odd | is_odd
        return Count(costs, known)

    def _places(self, rates: _Rates) -> Ints:
        """Components whose tiers start alike, which is most of them, have their rates in the same places."""
        key = id(rates.starts)
        if key not in self._known_places:
            self._known_places[key] = rates.places(self.group, self.counts["input_tokens"].value)
        return self._known_places[key]

    def _own(self, part: str) -> Count:
        """A part that has a rate of its own leaves its whole."""
        return self.counts[f"{part}_tokens"].where(self.cards.parts[part][self.group])

    def _units(self) -> dict[str, Count]:
        plain, media = self._plain_units(), self.counts.name_media()
        if not np.any(media):
            return plain
        return plain | {
            name: units.where(media).plus(plain.get(name, UNKNOWN).where(~media))
            for name, units in self._media_units().items()
        }

    def _plain_units(self) -> dict[str, Count]:
        of = self.counts
        read, write, write_1h = (of[f"cache_{name}_tokens"] for name in ("read", "write", "write_1h"))
        reasoning, heard, spoken = (self._own(part) for part in ("reasoning", "audio_input", "audio_output"))
        fresh = of["input_tokens"].less(read, write)
        heard = heard.fitted(fresh)
        return {
            "input": fresh.less(heard),
            "output": of["output_tokens"].less(reasoning, spoken),
            "cache_read": read,
            "cache_write": write.less(write_1h),
            "cache_write_1h": write_1h,
            "reasoning": reasoning,
            "audio_input": heard,
            "audio_output": spoken,
            "web_search": of["web_searches"],
            quote.UNPRICED: of["unpriced_units"],
            "request": Count(np.ones(len(self.group), np.int64), np.ones(len(self.group), np.bool_)),
        }

    def _media_units(self) -> dict[str, Count]:
        of = self.counts
        heard_again, seen_again = of["cache_read_audio_tokens"], of["cache_read_image_tokens"]
        read = of["cache_read_tokens"].else_(heard_again.plus(seen_again))
        fresh = of["input_tokens"].less(read, of["cache_write_tokens"])
        heard = self._own("audio_input").less(heard_again).fitted(fresh)
        seen = self._own("image_input").less(seen_again).fitted(fresh.less(heard))
        return {
            "input": fresh.less(heard, seen),
            "output": of["output_tokens"].less(*(self._own(part) for part in quote.OUTPUT_PARTS)),
            "cache_read": read.less(heard_again, seen_again),
            "audio_input": heard,
            "image_input": seen,
            "image_output": self._own("image_output"),
            "cache_read_audio": heard_again,
            "cache_read_image": seen_again,
        }

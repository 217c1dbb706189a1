"""The rows of each call, as the rules of `rules.py` join them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .calls import Call


@dataclass(slots=True)
class _Told:
    """Who tells of one call: the emitters, and the services, those apart of which a row is a proxy's."""

    emitters: set[str]
    services: set[str]
    proxies: set[str]


class Sets:
    """Disjoint sets of calls; each call is in one, at first alone."""

    def __init__(self) -> None:
        self._above: dict[Call, Call] = {}

    def top(self, call: Call) -> Call:
        """The call that stands for its set."""
        while (above := self._above.get(call)) is not None:
            if (further := self._above.get(above)) is not None:
                self._above[call] = further
            call = above
        return call

    def unite(self, one: Call, other: Call) -> tuple[Call, Call] | None:
        """Make one set of two: what stands for it now, and what stood for the other one."""
        one, other = self.top(one), self.top(other)
        if one is other:
            return None
        self._above[other] = one
        return one, other


class Groups:
    """The rows of each call; `rollups` and `retries` are rows that are no call of their own, `summed_up` what is inside
    a rollup. `families` are rows of which a later one may change how they belong together."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls
        self._same = Sets()
        self.families = Sets()
        self._told = {
            call: _Told({call.emitter}, {call.service}, {call.service} if call.is_proxy else set()) for call in calls
        }
        self.rollups: set[Call] = set()
        self.summed_up: set[Call] = set()
        self.retries: set[Call] = set()

    def top(self, call: Call) -> Call:
        """The row that stands for all that tell of the same call, as far as is known."""
        return self._same.top(call)

    def join(self, one: Call, other: Call) -> None:
        """Both tell of the same call."""
        self.families.unite(one, other)
        if united := self._same.unite(one, other):
            told, more = self._told[united[0]], self._told.pop(united[1])
            told.emitters |= more.emitters
            told.services |= more.services
            told.proxies |= more.proxies

    def join_likely(self, one: Call, other: Call, services_max: int | None = None) -> None:
        """Join two that seem to tell of the same call, if that can be: an emitter tells of a call once, so many
        services that are no proxies at most tell of one."""
        told, more = self._told[self.top(one)], self._told[self.top(other)]
        callers = (told.services | more.services) - (told.proxies | more.proxies)
        has_room = services_max is None or len(callers) <= services_max
        if has_room and told.emitters.isdisjoint(more.emitters):
            self.join(one, other)

    def join_all(self, pairs: Iterable[tuple[Call, Call]], services_max: int | None = None) -> None:
        """Join those pairs that can be of one call."""
        for pair in pairs:
            self.join_likely(*pair, services_max)

    def is_told_by(self, call: Call, emitter: str) -> bool:
        """True where a row of the emitter is known to tell of the same call."""
        return emitter in self._told[self.top(call)].emitters

    def is_told_once(self, call: Call) -> bool:
        """True where nobody else is known to tell of the same call."""
        return len(self._told[self.top(call)].emitters) == 1

    def has_caller(self, call: Call) -> bool:
        """True where it is known which service made the call, a proxy's row among those that tell of it."""
        told = self._told[self.top(call)]
        return not told.services <= told.proxies

    def apart(self, calls: Iterable[Call]) -> list[Call]:
        """Of the calls, one row of each."""
        return list({self.top(call): call for call in calls}.values())

    def members(self) -> Iterator[list[Call]]:
        """The rows of each call, without rollups and retries."""
        counted = (call for call in self.calls if call not in self.rollups and call not in self.retries)
        yield from by(counted, self.top, least=1)


def by(calls: Iterable[Call], key: Callable[[Call], Hashable | None], least: int = 2) -> Iterator[list[Call]]:
    """The calls that have the same key, where there are so many; those without a key are in none."""
    found: dict[Hashable, list[Call]] = defaultdict(list)
    for call in calls:
        if (of := key(call)) is not None:
            found[of].append(call)
    yield from (same for same in found.values() if len(same) >= least)

"""Rows that tell of one call by when they say it was: of what seems alike, one lies within the other.

Time says little where many calls are alike, as embeddings of one length are. So the two sides are matched as a whole,
each row once, in as many pairs as there can be: what is left over is another call. Which of the calls that are alike a
row is paired with changes no sum. Addresses are not compared: of one call some tell the host that a library asks by
default, or the URL, and others the host that was asked.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

from .agreement import (
    CLOCKS_NS,
    ROUNDING_NS,
    SKEW_NS,
    begin_and_end_together,
    look_alike,
    models_agree,
    sessions_agree,
    tokens_agree,
)
from .calls import Call
from .groups import Groups, by

Pairs = list[tuple[Call, Call]]
Fits = Callable[[Call, Call], bool]

#: Calls that were under way and do not fit, by their models or ids, that are passed over for one row.
_MISFITS_MAX: Final = 64
#: Emitters that are compared with each other, those that tell most.
_EMITTERS_MAX: Final = 16
_STREAM_NS: Final = 3600 * 1_000_000_000
#: How far a proxy's clock may be ahead, in steps that rounding fills, the nearest first.
_CLOCKS_NS: Final = tuple(sorted(range(-CLOCKS_NS, CLOCKS_NS + 1, 2 * ROUNDING_NS), key=abs))
#: A call that is moved by another clock takes so many times as long as it is moved: most of it stays where it was.
_OVERLAP: Final = 4


def in_one_trace(calls: Iterable[Call], groups: Groups) -> None:
    """Join rows of several emitters of one trace. Services of their own make calls of their own, but for proxies."""
    for same in by(calls, lambda call: call.trace):
        if len({call.emitter for call in same}) > 1:
            for alike in _alike(same, lambda call: (call.service, call.kind)):
                _join_emitters(alike, _fits, groups)
            if any(call.tokens is None for call in same):
                for told in by(same, lambda call: (call.service, call.kind)):
                    _join_emitters(told, _fits_untold, groups)
            _join_proxies(same, _fits_proxied, groups, any_id=True)


def across_traces(calls: Sequence[Call], groups: Groups) -> None:
    """Join what no trace joins: an event beside its span, and what a proxy tells of a call that has no id."""
    services = {call.service for call in calls if call.is_event}
    if services:
        for alike in _alike((c for c in calls if c.service in services), lambda call: (call.service, call.kind)):
            for emitter, told in _by_emitter(call for call in alike if call.is_event).items():
                around = _outermost((call for call in alike if not groups.is_told_by(call, emitter)), groups)
                events = [call for call in told if groups.is_told_once(call)]
                groups.join_all(one_to_one(around, events, _fits_event, slack_ns=SKEW_NS))
    _join_proxies(calls, _fits_elsewhere, groups)


def _fits(outer: Call, inner: Call) -> bool:
    return tokens_agree(outer, inner) and look_alike(outer, inner)


def _fits_untold(outer: Call, inner: Call) -> bool:
    """One of them does not say what it used: it may be any call but that with which it begins and ends."""
    is_untold = outer.tokens is None or inner.tokens is None
    return is_untold and begin_and_end_together(outer, inner) and look_alike(outer, inner)


def _fits_event(outer: Call, inner: Call) -> bool:
    return sessions_agree(outer, inner) and _fits(outer, inner)


def _fits_proxied(outer: Call, inner: Call) -> bool:
    """In one trace, a proxy may give an id of its own."""
    return outer.service != inner.service and tokens_agree(outer, inner) and look_alike(outer, inner, any_id=True)


def _fits_elsewhere(outer: Call, inner: Call) -> bool:
    """In no trace together, where the tree would say how they belong together."""
    are_apart = inner.trace is None or outer.trace != inner.trace
    return are_apart and outer.service != inner.service and _fits(outer, inner)


def _join_emitters(calls: Sequence[Call], fits: Fits, groups: Groups) -> None:
    """Join the rows of each two emitters, whichever of them wraps the other; the other way round, what is left."""
    told = _by_emitter(calls)
    for one, other in (pair for pair in combinations(sorted(told), 2) for _ in range(2)):
        mine = [call for call in told[one] if not groups.is_told_by(call, other)]
        theirs = [call for call in told[other] if not groups.is_told_by(call, one)]
        if mine and theirs:
            ways = [one_to_one(mine, theirs, fits), one_to_one(theirs, mine, fits)]
            pairs: Pairs = max(ways, key=len)
            groups.join_all(pairs)


def _join_proxies(calls: Sequence[Call], fits: Fits, groups: Groups, *, any_id: bool = False) -> None:
    """Join what proxies tell with what lies around it, proxy by proxy, the outermost first."""
    if not any(call.is_proxy for call in calls):
        return
    for alike in _alike(calls, lambda call: call.kind):
        told = _by_emitter(call for call in alike if call.is_proxy)
        for emitter in sorted(told, key=lambda name: (-_mean_length(told[name]), name)):
            around = _outermost((call for call in alike if not groups.is_told_by(call, emitter)), groups)
            without_id = around if any_id else [call for call in around if call.response_id is None]
            alone = [call for call in told[emitter] if not groups.has_caller(call)]
            _join_proxy([call for call in alone if call.response_id is not None], without_id, fits, groups)
            _join_proxy([call for call in alone if call.response_id is None], around, fits, groups)


def _join_proxy(told: Sequence[Call], around: Sequence[Call], fits: Fits, groups: Groups) -> None:
    """Join the rows of a proxy by the clock by which most of them find a place; what is left, by another."""
    for _ in _CLOCKS_NS:
        if not told or not around:
            return
        pairs = max((one_to_one(around, told, fits, ahead_ns=ahead) for ahead in _CLOCKS_NS), key=len)
        groups.join_all(pairs, services_max=1)
        joined = {call for pair in pairs for call in pair}
        told, around = ([call for call in calls if call not in joined] for calls in (told, around))
        if not pairs:
            return


def _mean_length(calls: Sequence[Call]) -> float:
    return sum(call.end - call.start for call in calls) / len(calls)


def _outermost(calls: Iterable[Call], groups: Groups) -> list[Call]:
    """The longest row of each call."""
    return [max(same, key=lambda call: (call.end - call.start, call.row_id)) for same in by(calls, groups.top, least=1)]


def _alike(calls: Iterable[Call], key: Callable[[Call], Hashable]) -> Iterator[list[Call]]:
    """The calls of a key whose tokens may agree: a row is in several lists where it thought, which some leave out."""
    found: dict[Hashable, list[Call]] = defaultdict(list)
    for call in calls:
        if call.tokens is not None:
            told, output = call.tokens
            for may_be in {output, output - call.thought, output + call.thought}:
                found[key(call), told, may_be].append(call)
    yield from (same for same in found.values() if len(same) > 1)


def _by_emitter(calls: Iterable[Call]) -> Mapping[str, list[Call]]:
    found: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        found[call.emitter].append(call)
    most = sorted(found, key=lambda emitter: (-len(found[emitter]), emitter))[:_EMITTERS_MAX]
    return {emitter: found[emitter] for emitter in most}


def one_to_one(
    outer: Iterable[Call], inner: Iterable[Call], fits: Fits, *, slack_ns: int = ROUNDING_NS, ahead_ns: int = 0
) -> Pairs:
    """Pairs of an outer call and an inner one that lies within it, each in one pair, as many as there can be.

    Those that have begun stand in the order of their ends; each inner call takes the first that ends after it, which
    leaves the others most. The clock of the inner ones may be ahead; then those that are short tell nothing.
    """
    waiting = sorted(outer, key=lambda call: (call.start, call.row_id), reverse=True)
    begun: list[tuple[int, str, Call]] = []
    pairs: Pairs = []
    for call in sorted(inner, key=lambda call: (call.start, call.row_id)):
        if call.end - call.start < _OVERLAP * abs(ahead_ns):
            continue
        while waiting and waiting[-1].start <= call.start - ahead_ns + slack_ns:
            under_way = waiting.pop()
            insort(begun, (under_way.end, under_way.row_id, under_way))
        first = bisect_left(begun, (call.end - ahead_ns - slack_ns, ""))
        for place in range(first, min(first + _MISFITS_MAX, len(begun))):
            if fits(begun[place][2], call):
                pairs.append((begun.pop(place)[2], call))
                break
    return pairs


def join_streams(calls: Iterable[Call], groups: Groups) -> None:
    """Join a span that was over when its stream began with one of no length by which its emitter tells the usage."""
    for same in by(calls, lambda call: (call.emitter, call.session) if call.scope else None):
        begun = {call for call in same if call.tokens is None and not call.has_failed and not call.response_id}
        ends = {call for call in same if call.tokens and call.start == call.end and not call.is_event}
        if begun and ends:
            for near in (*by(same, lambda call: call.trace), same):  # of one trace first
                for pair in _ends_of_streams(near, begun, ends):
                    begun.discard(pair[0])
                    ends.discard(pair[1])
                    groups.join(*pair)


def _ends_of_streams(calls: Iterable[Call], begun: set[Call], ends: set[Call]) -> Pairs:
    """Each end with what was begun last before it."""
    open_: list[Call] = []
    pairs: Pairs = []
    for call in sorted(calls, key=lambda call: (call.end, call in ends, call.row_id)):
        if call in begun:
            open_.append(call)
        elif call in ends:
            for place in range(len(open_) - 1, max(-1, len(open_) - 1 - _MISFITS_MAX), -1):
                if call.start - open_[place].end <= _STREAM_NS and models_agree(open_[place], call):
                    pairs.append((open_.pop(place), call))
                    break
    return pairs

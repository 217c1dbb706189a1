"""Rows that tell of one call by when they say it was: of what seems alike, one lies within the other.

Time says little where many calls are alike, as embeddings of one length are. So the two sides are matched as a whole,
each row once, in as many pairs as there can be: what is left over is another call. Which of the calls that are alike a
row is paired with changes no sum.
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
_STREAM_NS: Final = 3600 * 1_000_000_000


def in_one_trace(calls: Iterable[Call], groups: Groups) -> None:
    """Join rows of several emitters of one trace. Services of their own make calls of their own, but for proxies."""
    for same in by(calls, lambda call: call.trace):
        if len({call.emitter for call in same}) > 1:
            for alike in _alike(same, lambda call: call.kind):
                _join_emitters(alike, _fits_in_trace, groups)
            if any(call.tokens is None for call in same):
                for alike in by(same, lambda call: call.kind):
                    _join_emitters(alike, _fits_untold, groups)


def _fits_in_trace(outer: Call, inner: Call) -> bool:
    is_proxied = outer.is_proxy or inner.is_proxy  # it may give an id of its own
    if outer.service != inner.service and not inner.is_proxy:
        return False
    return tokens_agree(outer, inner) and look_alike(outer, inner, any_id=is_proxied)


def _fits_untold(outer: Call, inner: Call) -> bool:
    """One of them does not say what it used: it may be any call but that with which it begins and ends."""
    is_untold = (outer.tokens is None or inner.tokens is None) and outer.service == inner.service
    return is_untold and begin_and_end_together(outer, inner) and look_alike(outer, inner)


def _join_emitters(calls: Sequence[Call], fits: Fits, groups: Groups) -> None:
    """Join the rows of each two emitters, whichever of them wraps the other."""
    told = _by_emitter(calls)
    for one, other in combinations(sorted(told), 2):
        while pairs := _more_pairs(
            [call for call in told[one] if not groups.is_told_by(call, other)],
            [call for call in told[other] if not groups.is_told_by(call, one)],
            fits,
        ):
            if not sum(groups.join_likely(*pair) for pair in pairs):
                break


def _more_pairs(one: Sequence[Call], other: Sequence[Call], fits: Fits) -> Pairs:
    return max(one_to_one(one, other, fits), one_to_one(other, one, fits), key=len)


def across_traces(calls: Sequence[Call], groups: Groups) -> None:
    """Join what no trace joins: an event beside its span, and what a proxy tells of a call that has no id."""
    events, proxies = ([call for call in calls if getattr(call, name)] for name in ("is_event", "is_proxy"))
    if events:
        services = {call.service for call in events}
        for alike in _alike((c for c in calls if c.service in services), lambda call: (call.service, call.kind)):
            _join_each(alike, [c for c in alike if c.is_event], _fits_event, SKEW_NS, groups)
    if proxies:
        for alike in _alike(calls, lambda call: call.kind):
            _join_each(alike, [c for c in alike if c.is_proxy], _fits_proxied, CLOCKS_NS, groups)


def _fits_event(outer: Call, inner: Call) -> bool:
    return _are_apart(outer, inner) and sessions_agree(outer, inner) and look_alike(outer, inner)


def _fits_proxied(outer: Call, inner: Call) -> bool:
    return outer.service != inner.service and _are_apart(outer, inner) and look_alike(outer, inner)


def _are_apart(x: Call, y: Call) -> bool:
    """In no trace together, where the tree would say how they belong together; but equal in tokens."""
    return (x.trace is None or x.trace != y.trace) and tokens_agree(x, y)


def _join_each(calls: Sequence[Call], inner: Sequence[Call], fits: Fits, clocks_ns: int, groups: Groups) -> None:
    """Join each of some rows with what lies around it, emitter by emitter, the outermost first."""
    told = _by_emitter(inner)
    for emitter in sorted(told, key=lambda name: (-sum(c.end - c.start for c in told[name]) / len(told[name]), name)):
        mine = told[emitter]
        around = _outermost((call for call in calls if not groups.is_told_by(call, emitter)), groups)
        without_id = [call for call in around if call.response_id is None]
        for has_id, outer in ((True, without_id), (False, around)):
            these = [call for call in mine if (call.response_id is not None) is has_id]
            for pair in one_to_one(outer, these, fits, clocks_ns):
                groups.join_likely(*pair, services_max=1)


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
    return found


def one_to_one(outer: Iterable[Call], inner: Iterable[Call], fits: Fits, clocks_ns: int = 0) -> Pairs:
    """Pairs of an outer call and an inner one that lies within it, each in one pair, as many as there can be.

    Those that have begun stand in the order of their ends; each inner call takes the first that ends after it, which
    leaves the others most. The clocks of the two may differ by so much, but not by more than a quarter of the
    inner call: most of it is inside.
    """
    waiting = sorted(outer, key=lambda call: (call.start, call.row_id), reverse=True)
    slack = {call: ROUNDING_NS + min(clocks_ns, (call.end - call.start) // 4) for call in inner}
    begun: list[tuple[int, str, Call]] = []
    pairs: Pairs = []
    for call in sorted(slack, key=lambda call: (call.start + slack[call], call.row_id)):
        while waiting and waiting[-1].start <= call.start + slack[call]:
            under_way = waiting.pop()
            insort(begun, (under_way.end, under_way.row_id, under_way))
        first = bisect_left(begun, (call.end - slack[call], ""))
        for place in range(first, min(first + _MISFITS_MAX, len(begun))):
            if _has_room(begun[place][2], call) and fits(begun[place][2], call):
                pairs.append((begun.pop(place)[2], call))
                break
    return pairs


def _has_room(outer: Call, inner: Call) -> bool:
    """An inner call takes no longer than the outer one, by whatever clock."""
    return inner.end - inner.start <= outer.end - outer.start + ROUNDING_NS


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

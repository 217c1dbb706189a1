"""Which rows tell of one call: by what they say of each other, by the response's id, by the tree, by time.

The rules go from what is sure to what is likely. Each joins rows, or finds that an outer row repeats what several
inner ones tell, or that a failed one was an attempt inside a call that went on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

from .calls import Call
from .links import Links

Spans = Mapping[tuple[str | None, str | None], Call]
#: How far apart two rows begin, in nanoseconds, and the two.
Pair = tuple[int, Call, Call]

_NS_PER_S: Final = 1_000_000_000
_ROUNDING_NS: Final = 5_000_000  # some clocks tell milliseconds
SKEW_NS: Final = 2 * _NS_PER_S  # of the clocks of two hosts
_SAME_ID_NS: Final = 600 * _NS_PER_S  # further apart, the same id is another call's
_STREAM_NS: Final = 3600 * _NS_PER_S
#: How many of the rows that begin next a row is compared with.
_NEIGHBOURS_MAX: Final = 32
#: Dialects that make a span of each attempt, beside each other. In others a second call is the application's own.
ATTEMPTS: Final = frozenset({"agentgateway", "litellm_v1", "litellm_v2", "vercel", "vercel_legacy"})
_ATTEMPT_NS: Final = 120 * _NS_PER_S


class Groups:
    """The rows of each call, as the rules find them; `rollups` and `retries` are rows that are no call of their own,
    `summed_up` what is inside a rollup."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._above: dict[Call, Call] = {}
        self._emitters = {call: {call.emitter} for call in calls}
        self._callers: dict[Call, set[str]] = {call: set() if call.is_proxy else {call.service} for call in calls}
        self.rollups: set[Call] = set()
        self.summed_up: set[Call] = set()
        self.retries: set[Call] = set()

    def join(self, one: Call, other: Call) -> None:
        """Both tell of the same call."""
        one, other = self._top(one), self._top(other)
        if one is not other:
            self._above[other] = one
            self._emitters[one] |= self._emitters.pop(other)
            self._callers[one] |= self._callers.pop(other)

    def join_likely(self, pairs: Iterable[Pair], services_max: int | None = None) -> None:
        """Join pairs, the closest first. An emitter tells of a call once; so many services that are no proxies at most
        tell of one."""
        for _, x, y in _closest_first(pairs):
            one, other = self._top(x), self._top(y)
            if not self._emitters[one].isdisjoint(self._emitters[other]):
                continue
            if services_max is None or len(self._callers[one] | self._callers[other]) <= services_max:
                self.join(one, other)

    def join_streams(self, pairs: Iterable[Pair]) -> None:
        """Join what begins a stream and what ends it, the closest first: two rows of one emitter, each in one pair."""
        joined: set[Call] = set()
        for _, x, y in _closest_first(pairs):
            if joined.isdisjoint((x, y)):
                joined |= {x, y}
                self.join(x, y)

    def are_one(self, one: Call, other: Call) -> bool:
        """True where it is known that both tell of the same call."""
        return self._top(one) is self._top(other)

    def members(self) -> Iterator[list[Call]]:
        """The rows of each call, without rollups and retries."""
        found: dict[Call, list[Call]] = defaultdict(list)
        for call in (*self._emitters, *self._above):
            if call not in self.rollups and call not in self.retries:
                found[self._top(call)].append(call)
        yield from found.values()

    def _top(self, call: Call) -> Call:
        while (above := self._above.get(call)) is not None:
            call = above
        return call


def _closest_first(pairs: Iterable[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: (pair[0], pair[1].row_id, pair[2].row_id))


def group(calls: Sequence[Call], links: Links) -> Groups:
    """The calls that some rows tell of."""
    groups = Groups(calls)
    spans: Spans = {(call.trace, call.span): call for call in calls if call.span is not None}
    for call in calls:
        continued = spans.get((call.trace, call.continues)) if call.continues else None
        if continued is not None:
            groups.join(call, continued)
    groups.join_likely(_of_one_response(calls))
    groups.retries.update(_failed_attempts(calls))
    _by_tree(calls, spans, links, groups)
    apart = [call for call in calls if call not in groups.rollups and call not in groups.retries]
    groups.join_likely(_in_one_trace(apart))
    groups.join_likely(_across_traces(apart), services_max=1)
    groups.join_streams(_ends_of_streams(apart))
    return groups


def _of_one_response(calls: Iterable[Call]) -> Iterator[Pair]:
    """Rows with one response id, near in time: a server that gives all its answers one id has them apart."""
    for same in _by(calls, lambda call: call.response_id):
        for gap, x, y in _near(same, _SAME_ID_NS):
            if x.kind == y.kind and (_agree(x, y) or _is_miscounted(x, y)):
                yield gap, x, y


def _is_miscounted(x: Call, y: Call) -> bool:
    """One of the counts differs, as one of them leaves out the cache, say; or both do, side by side."""
    if x.tokens and y.tokens and (x.tokens[0] == y.tokens[0] or x.tokens[1] == y.tokens[1]):
        return _lies_inside(x, y, SKEW_NS)
    return x.service == y.service and _lies_inside(x, y, _ROUNDING_NS)


def _failed_attempts(calls: Iterable[Call]) -> Iterator[Call]:
    """What failed and was tried again, beside it in the tree, by an emitter that tells of attempts."""
    attempts = (call for call in calls if call.dialect in ATTEMPTS)
    for same in _by(attempts, lambda call: call.parent and (call.trace, call.parent, call.emitter, call.operation)):
        ordered = sorted(same, key=lambda call: (call.start, call.row_id))
        for call, again in pairwise(ordered):
            is_next = call.end <= again.start + _ROUNDING_NS and again.start <= call.end + _ATTEMPT_NS
            if call.has_failed_untold and is_next and _models_agree(call, again):
                yield call


# --- the tree ---------------------------------------------------------------------------------------------------


def _by_tree(calls: Iterable[Call], spans: Spans, links: Links, groups: Groups) -> None:
    """A call inside a call is the same one, told by somebody further in; several are what the outer one sums up."""
    inside: dict[Call, list[Call]] = defaultdict(list)
    for call in calls:
        outer = _outer(call, spans, links)
        if outer is not None and outer.kind == call.kind:
            inside[outer].append(call)
    for outer in sorted(inside, key=lambda call: (-call.start, call.end, call.row_id)):  # the inner ones first
        _settle_outer(outer, inside[outer], groups)


def _outer(call: Call, spans: Spans, links: Links) -> Call | None:
    """The nearest call around this one. One emitter's has to be its parent: what it does further in is another call."""
    trace, above, is_parent = call.trace, call.parent, True
    walked = {call.span}
    while trace is not None and above is not None and above not in walked:
        outer = spans.get((trace, above))
        if outer is not None:
            return outer if is_parent or outer.emitter != call.emitter else None
        walked.add(above)
        above, is_parent = links.get((trace, above)), False
    return None


def _settle_outer(outer: Call, inner: Sequence[Call], groups: Groups) -> None:
    told = [call for call in inner if not call.has_failed_untold]
    if _is_another(outer, told):
        return
    apart: list[Call] = []
    for call in told:
        if not any(groups.are_one(call, other) for other in apart):
            apart.append(call)
    if len(apart) > 1:
        groups.rollups.add(outer)
        groups.summed_up.update(apart)
        return
    failed = sorted((call for call in inner if call.has_failed_untold), key=lambda call: (call.end, call.row_id))
    same = apart or failed[-1:]
    for call in same:
        groups.join(outer, call)
    groups.retries.update(call for call in failed if call not in same)


def _is_another(outer: Call, inner: Sequence[Call]) -> bool:
    """True for a call that others were only made during: its response and its tokens are none of theirs."""
    if outer.response_id is None or outer.tokens is None or not inner:
        return False
    if any(call.response_id in (None, outer.response_id) or call.tokens is None for call in inner):
        return False
    sums = tuple(sum(call.tokens[side] for call in inner if call.tokens) for side in (0, 1))
    return outer.tokens != sums and not any(_tokens_agree(outer, call) for call in inner)


# --- time -------------------------------------------------------------------------------------------------------


def _in_one_trace(calls: Iterable[Call]) -> Iterator[Pair]:
    """Rows of one trace of which one lies inside the other, and nothing speaks against it."""
    for same in _by(calls, lambda call: call.trace):
        for gap, x, y in _near(same, _ROUNDING_NS):
            is_proxied = (x.is_proxy or y.is_proxy) and _tokens_agree(x, y)  # which may give an id of its own
            if _lies_inside(x, y, _ROUNDING_NS) and _agree(x, y) and _look_alike(x, y, any_id=is_proxied):
                yield gap, x, y


def _across_traces(calls: Iterable[Call]) -> Iterator[Pair]:
    """Rows that no trace joins: an event beside its span, and what a proxy tells of a call that has no id."""
    for same in _by(calls, lambda call: call.tokens[0] if call.tokens else None):
        if all(call.response_id for call in same) or not any(call.is_event or call.is_proxy for call in same):
            continue
        for gap, x, y in _near(same, SKEW_NS):
            if x.trace == y.trace and x.trace is not None:
                continue
            is_told_twice = x.service == y.service and (x.is_event or y.is_event) and _sessions_agree(x, y)
            if not (is_told_twice or x.is_proxy or y.is_proxy):
                continue
            if _lies_inside(x, y, SKEW_NS) and _tokens_agree(x, y) and _look_alike(x, y):
                yield gap, x, y


def _ends_of_streams(calls: Iterable[Call]) -> Iterator[Pair]:
    """A span that was over when its stream began, and one of no length by which the same emitter tells its usage."""
    for same in _by(calls, lambda call: call.scope and (call.emitter, call.session)):
        begun = [call for call in same if call.tokens is None and not call.has_failed and not call.response_id]
        for end in (call for call in same if call.tokens and call.start == call.end and not call.is_event):
            before = [b for b in begun if b.end <= end.start <= b.end + _STREAM_NS and _models_agree(b, end)]
            yield from ((end.start - b.end + (b.trace != end.trace) * _STREAM_NS, b, end) for b in before)


def _by(calls: Iterable[Call], key: Callable[[Call], Hashable | None]) -> Iterator[list[Call]]:
    """The calls that have the same key; those without one are in none."""
    found: dict[Hashable, list[Call]] = defaultdict(list)
    for call in calls:
        if (of := key(call)) is not None:
            found[of].append(call)
    yield from (same for same in found.values() if len(same) > 1)


def _near(calls: list[Call], slack_ns: int) -> Iterator[Pair]:
    """Pairs of several emitters that overlap, or nearly; each with how far apart they begin, in nanoseconds."""
    if len({call.emitter for call in calls}) < 2:
        return
    ordered = sorted(calls, key=lambda call: (call.start, call.row_id))
    for place, x in enumerate(ordered):
        for y in ordered[place + 1 : place + 1 + _NEIGHBOURS_MAX]:
            if y.start > x.end + slack_ns:
                break
            if x.emitter != y.emitter:
                yield y.start - x.start, x, y


def _lies_inside(x: Call, y: Call, slack_ns: int) -> bool:
    return (x.start - slack_ns <= y.start and y.end <= x.end + slack_ns) or (
        y.start - slack_ns <= x.start and x.end <= y.end + slack_ns
    )


def _agree(x: Call, y: Call) -> bool:
    """No count that both tell differs."""
    return x.tokens is None or y.tokens is None or _tokens_agree(x, y)


def _tokens_agree(x: Call, y: Call) -> bool:
    """The same tokens; or one of them leaves out what was thought."""
    if x.tokens is None or y.tokens is None or x.tokens[0] != y.tokens[0]:
        return False
    return abs(x.tokens[1] - y.tokens[1]) in (0, x.thought, y.thought)


def _look_alike(x: Call, y: Call, *, any_id: bool = False) -> bool:
    """One kind of call, of models that agree, and no two response ids."""
    has_one_id = any_id or x.response_id is None or y.response_id is None or x.response_id == y.response_id
    return x.kind == y.kind and has_one_id and _models_agree(x, y)


def _sessions_agree(x: Call, y: Call) -> bool:
    return x.session is None or y.session is None or x.session == y.session


def _models_agree(x: Call, y: Call) -> bool:
    """One names a model as the other does, but for a date or a provider that is added to it."""
    return not x.models or not y.models or any(a in b or b in a for a in x.models for b in y.models)

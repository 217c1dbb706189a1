"""Which rows tell of one call: by what they say of each other, by the response's id, by the tree, by time.

The rules go from what is sure to what is likely. Each joins rows, or finds that an outer row repeats what several
inner ones tell, or that a failed one was an attempt inside a call that went on. Where nothing says that two rows tell
of one call, they are two: a call that is counted twice is seen in the sums and in the rows, one that is not counted at
all is seen nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise
from typing import Final

from .agreement import ROUNDING_NS, SKEW_NS, agree, lies_inside, models_agree
from .calls import Call
from .groups import Groups, by
from .links import Links
from .times import across_traces, in_one_trace, join_streams
from .tree import Spans, by_tree

_NS_PER_S: Final = 1_000_000_000
_SAME_ID_NS: Final = 600 * _NS_PER_S  # further apart, the same id is another call's
#: Rows that may have one response id: an id that more have is one that a server gives to all its answers.
_SAME_ID_MAX: Final = 32
#: Dialects that make a span of each attempt, beside each other. In others a second call is the application's own.
ATTEMPTS: Final = frozenset({"agentgateway", "litellm_v1", "litellm_v2", "vercel", "vercel_legacy"})
ATTEMPT_NS: Final = 120 * _NS_PER_S


def group(calls: Sequence[Call], links: Links, rollups: Iterable[Call] = ()) -> Groups:
    """The calls that some rows tell of. `rollups` are known as such: what they sum up may be further away."""
    groups = Groups(calls)
    groups.rollups.update(rollups)
    spans: Spans = {(call.trace, call.span): call for call in calls if call.span is not None}
    for call in calls:
        continued = spans.get((call.trace, call.continues)) if call.continues else None
        if continued is not None:
            groups.join(call, continued)
    for same in by(calls, lambda call: call.response_id):
        _join_response(same, groups)
    for call, again in _failed_attempts(calls):
        groups.retries.add(call)
        groups.families.unite(call, again)
    by_tree(calls, spans, links, groups)
    left = [call for call in calls if call not in groups.rollups and call not in groups.retries]
    in_one_trace(left, groups)
    across_traces(left, groups)
    join_streams(left, groups)
    return groups


def _join_response(same: Sequence[Call], groups: Groups) -> None:
    """Join rows with one response id that are near in time, the closest first."""
    if len(same) > _SAME_ID_MAX:
        for call in same:
            call.response_id = None
        return
    ordered = sorted(same, key=lambda call: (call.start, call.row_id))
    near = ((y.start - x.start, x, y) for x, y in combinations(ordered, 2) if y.start <= x.end + _SAME_ID_NS)
    for _, x, y in sorted(near, key=lambda pair: pair[0]):
        if x.kind == y.kind and (agree(x, y) or _is_miscounted(x, y)):
            groups.join_likely(x, y)


def _is_miscounted(x: Call, y: Call) -> bool:
    """One of the counts differs, as one of them leaves out the cache, say; or both do, side by side."""
    if x.tokens and y.tokens and (x.tokens[0] == y.tokens[0] or x.tokens[1] == y.tokens[1]):
        return lies_inside(x, y, SKEW_NS)
    return x.service == y.service and lies_inside(x, y, ROUNDING_NS)


def _failed_attempts(calls: Iterable[Call]) -> Iterator[tuple[Call, Call]]:
    """What failed, and how it was tried again, beside it in the tree, by an emitter that tells of attempts."""
    attempts = (call for call in calls if call.dialect in ATTEMPTS)
    for same in by(attempts, lambda call: call.parent and (call.trace, call.parent, call.emitter, call.operation)):
        ordered = sorted(same, key=lambda call: (call.start, call.row_id))
        for call, again in pairwise(ordered):
            is_next = call.end <= again.start + ROUNDING_NS and again.start <= call.end + ATTEMPT_NS
            if call.has_failed_untold and is_next and models_agree(call, again):
                yield call, again

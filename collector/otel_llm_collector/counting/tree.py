"""Calls inside calls: one is the same call, told by somebody further in; several are what the outer one sums up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from .agreement import tokens_agree
from .calls import Call
from .groups import Groups
from .links import Links

Spans = Mapping[tuple[str | None, str | None], Call]


def by_tree(calls: Iterable[Call], spans: Spans, links: Links, groups: Groups) -> None:
    """Join the calls inside others, or find that an outer one sums up."""
    around: dict[Call, Call] = {}
    inside: dict[Call, list[Call]] = defaultdict(list)
    for call in calls:
        outer = _outer(call, spans, links)
        if outer is not None and outer.kind == call.kind:
            around[call] = outer
            inside[outer].append(call)
    depth = _depths(around)
    for outer in sorted(inside, key=lambda call: (-depth[call], call.row_id)):  # the inner ones first
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


def _depths(around: Mapping[Call, Call]) -> dict[Call, int]:
    """How many calls are around each; in a circle, as many as are found before it closes."""
    depths: dict[Call, int] = {}
    for call in around:
        path: dict[Call, None] = {}
        above: Call | None = call
        while above is not None and above not in depths and above not in path:
            path[above] = None
            above = around.get(above)
        around_all = depths.get(above, -1) if above is not None else -1
        depths |= {one: depth for depth, one in enumerate(reversed(path), around_all + 1)}
    return depths


def _settle_outer(outer: Call, inner: Sequence[Call], groups: Groups) -> None:
    told = [call for call in inner if not call.has_failed_untold]
    apart = groups.apart(told)
    is_rollup = outer in groups.rollups or any(call in groups.rollups for call in apart)
    if is_rollup or (len(apart) > 1 and not _is_another(outer, told)):
        groups.rollups.add(outer)
        groups.summed_up.update(apart)
        return
    for call in inner:
        groups.families.unite(outer, call)
    if _is_another(outer, told):
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
    return outer.tokens != sums and not any(tokens_agree(outer, call) for call in inner)

"""Which of the rows that tell of a call counts, and why the others do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from otel_llm_semconv import attributes as a

from .calls import Call
from .groups import Groups
from .reasons import CONTINUED, DUPLICATE, GATEWAY_TWIN, RETRY, ROLLUP


def decide(groups: Groups, *, are_all: bool = False) -> Iterator[tuple[Call, str | None]]:
    """Each row with the reason why it is not counted, None for one that is.

    Rows that were all settled as not counted stay so, since what counts for them may be further away than we look;
    but not where that is among these, nor inside a row that turns out to be the sum of several, nor where these
    `are_all`.
    """
    seen = {call.family for call in groups.calls if call.is_counted and call.family}
    yield from ((call, ROLLUP) for call in groups.rollups)
    yield from ((call, RETRY) for call in groups.retries - groups.rollups)
    for members in groups.members():
        if not are_all and not any(
            call.is_counted or call in groups.summed_up or call.family in seen for call in members
        ):
            continue
        chosen = _choose(members)
        continued = {(call.trace, call.continues) for call in members if call.continues}
        for call in members:
            yield call, None if call is chosen else _why_not(call, chosen, (call.trace, call.span) in continued)


def _choose(members: Sequence[Call]) -> Call:
    """The one that tells what the call used, then has a price, then tells the most of it; then the one nearest to who
    asked: of several services one that is no proxy, of those the one that waited longest. There ours, then the
    innermost."""
    if len(members) == 1:
        return members[0]
    asking = max(members, key=lambda call: (not call.is_proxy, call.end - call.start, call.row_id)).service
    continued = {(call.trace, call.continues) for call in members if call.continues}

    def rank(call: Call) -> tuple[object, ...]:
        return (
            call.usage_rank,
            call.is_priced,
            (call.trace, call.span) not in continued,
            call.parts,
            call.service == asking,
            call.scope == a.SCOPE_APP,
            not call.is_event,
            call.start - call.end,
            call.row_id,
        )

    return max(members, key=rank)


def _why_not(call: Call, chosen: Call, is_continued: bool) -> str:
    if is_continued:
        return CONTINUED
    return DUPLICATE if call.service == chosen.service else GATEWAY_TWIN

"""The tree between calls: the parents of the spans that are none, of those that came last.

What an outer call sums up may be further in, below steps, tools and requests; each may come in a batch of its own, in
any order, so their links are remembered as long as calls are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from .calls import Call, looks_like_one

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
#: Columns of `spans` that tell of a link.
COLUMNS: Final = ("trace_id", "span_id", "parent_span_id")
#: Links in memory at most, about 80 bytes each: through what came before them no tree leads.
LINKS_MAX: Final = 200_000
#: Room above it, so that the oldest are let go now and then, not with each batch.
_ROOM: Final = 50_000
_CHUNKS_MAX: Final = 64
#: Spans above a call that are no calls, at most: what is further up is not looked for.
_STEPS_MAX: Final = 256

#: (trace id, span id) -> span id of its parent.
Links = dict[tuple[str, str], str]


def links_of(rows: pa.Table) -> pa.Table:
    """The links of the rows that are no calls."""
    leads_up = pc.and_(pc.is_valid(rows["span_id"]), pc.is_valid(rows["parent_span_id"]))
    return rows.select(COLUMNS).filter(pc.and_not(leads_up, looks_like_one(rows)))


def newest(links: pa.Table) -> pa.Table:
    """As many of the links as are remembered, the last ones."""
    if links.num_rows > LINKS_MAX + _ROOM:
        links = links.slice(links.num_rows - LINKS_MAX)
    return links.combine_chunks() if links["span_id"].num_chunks > _CHUNKS_MAX else links


def above(calls: Iterable[Call], tree: pa.Table | None) -> Links:
    """The links on the ways up from the calls."""
    asked = {(call.trace, call.parent) for call in calls if call.trace is not None and call.parent is not None}
    found: Links = {}
    if tree is None or not asked:
        return found
    tree = tree.filter(pc.is_in(tree["trace_id"], value_set=_texts(trace for trace, _ in asked)))
    for _ in range(_STEPS_MAX):
        step = tree.filter(pc.is_in(tree["span_id"], value_set=_texts(span for _, span in asked)))
        links = zip(*(step[name].to_pylist() for name in COLUMNS), strict=True)
        new = {(trace, span): parent for trace, span, parent in links if parent and (trace, span) not in found}
        if not new:
            break
        found |= new
        asked = {(trace, parent) for (trace, _), parent in new.items()}
    return found


def _texts(values: Iterable[str | None]) -> Any:
    return pa.array(sorted({value for value in values if value is not None}), pa.string())

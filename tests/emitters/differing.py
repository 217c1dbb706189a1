"""What an emitter's rows say otherwise than ours, and what its `differs.json` says of it: a list of reasons.

Each says `why` they differ, in which `calls` ("*": wherever they do), and how:

    untold      columns that are NULL
    otherwise   columns that say something else: that, several of it, or "*" where it depends on the run
    less        columns of content of which something is missing
    cost        true where the money differs for it
    rows        so many rows are counted instead of one a request
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

from emitters.agreement import CONTENT, differences, told
from emitters.emission import HERE, Emission
from emitters.replay import ours, theirs

from otel_llm_collector import counting
from otel_llm_collector.lake import files
from otel_llm_collector.normalise import Normalised

Difference = tuple[str, Any]  # a column, and what the emitter's row has there


@cache
def reasons(emitter: str) -> list[dict[str, Any]]:
    """What is named."""
    path = HERE / emitter / "differs.json"
    return list(json.loads(path.read_text())) if path.exists() else []


def of_call(sent: Emission) -> list[dict[str, Any]]:
    """The reasons that are named for a call."""
    return [reason for reason in reasons(sent.emitter) if {"*", sent.call} & set(reason["calls"])]


def counted(rows: list[Normalised]) -> list[Normalised]:
    """The rows that count as calls, in the order of their starts."""
    settled = counting.settle(files.as_table("spans", [one.row for one in rows]))
    ids = set(settled.filter(settled["is_llm_call"])["row_id"].to_pylist())
    return sorted((one for one in rows if one.row["row_id"] in ids), key=lambda one: one.row["start_time_ns"])


def differing(sent: Emission) -> list[Difference]:
    """The columns in which a row of the emitter differs from ours of the same request."""
    our_rows, ids = ours(sent)
    pairs = zip(counted(theirs(sent)), counted(our_rows), sent.calls, ids, strict=True)
    if sent.is_brief:
        pairs = ((replace(a, message=None), replace(b, message=None), call, id) for a, b, call, id in pairs)
    found = (differences(told(a, call["id"], sent.told), told(b, id, sent.told)) for a, b, call, id in pairs)
    unsaid = ("finish_reasons",) if sent.is_brief else ()
    return [(column, _plain(said)) for one in found for column, (said, _) in one.items() if column not in unsaid]


def is_named(difference: Difference, sent: Emission) -> bool:
    """Whether a reason is given for it."""
    return any(_covers(reason, difference) for reason in of_call(sent))


def stale(sent: Emission, found: list[Difference]) -> Iterator[str]:
    """What is named for this very call and does not differ."""
    for reason in of_call(sent):
        if "*" not in reason["calls"]:
            yield from (part for part in parts(reason) if not any(_covers(part_of(reason, part), one) for one in found))


def parts(reason: Mapping[str, Any]) -> list[str]:
    """The columns that a reason names; `cost` stands for all of the money."""
    columns = [*reason.get("untold", ()), *reason.get("otherwise", ()), *reason.get("less", ())]
    return [*columns, *(["cost"] if reason.get("cost") else [])]


def part_of(reason: Mapping[str, Any], part: str) -> dict[str, Any]:
    """A reason for one column alone."""
    return {
        "untold": [part] if part in reason.get("untold", ()) else [],
        "otherwise": {part: reason["otherwise"][part]} if part in reason.get("otherwise", ()) else {},
        "less": [part] if part in reason.get("less", ()) else [],
        "cost": part == "cost",
    }


def _covers(reason: Mapping[str, Any], difference: Difference) -> bool:
    column, said = difference
    if column.startswith("cost_"):
        return bool(reason.get("cost"))
    if column in CONTENT and said is not None:
        return column in reason.get("less", ())
    if said is None or said == []:
        return column in reason.get("untold", ())
    allowed = reason.get("otherwise", {}).get(column)
    return allowed == "*" or (said in allowed if isinstance(allowed, list) else allowed is not None and said == allowed)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else json.loads(json.dumps(value))

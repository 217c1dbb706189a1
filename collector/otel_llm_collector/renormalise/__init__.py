"""`otel-llm renormalise`: rows out of the archived requests once more, after a mapping was corrected.

The only thing that replaces a figure of record: at the prices that it was computed by. A row stays as it is where the
prices in use are others. Files are replaced by compare-and-swap, a collector may go on meanwhile.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from otel_llm.errors import NoDataError
from otel_llm_semconv.pricing.contracts import Contracts

from .. import journal, query
from ..counting.calls import READ, calls_of
from ..counting.recent import Change
from ..counting.recount import pricer, write_one
from ..counting.settle import Pricer, decisions
from ..counting.sieve import related
from ..lake import files
from ..lake.log import LakeTable
from ..lake.replaced import Replacing
from ..process import LockedError, change_rows, lock
from ..query.opening import question
from .rebuild import Rebuilding, Rebuilt
from .requests import ArchivedRequests

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
Sums = dict[str, Any]
_PREFIX: Final = "renormalised"
_DAY: Final = timedelta(days=1)
_SUM: Final = pa.decimal128(38, 12)
_COLUMNS: Final[dict[str, pa.DataType]] = {
    "model": pa.string(),
    "old_calls": pa.int64(),
    "new_calls": pa.int64(),
    "old_tokens": pa.int64(),
    "new_tokens": pa.int64(),
    "old_usd": _SUM,
    "new_usd": _SUM,
    "difference_usd": _SUM,
}


@dataclass(slots=True)
class Outcome:
    """What a run changed: the rows, and the sums by model that came out otherwise. `has_company`: a collector ran."""

    rebuilt: Rebuilt
    models: pa.Table
    has_company: bool = False


def renormalise(data: Path, since: datetime, until: datetime, contracts: Contracts) -> Outcome:
    """Rebuild the rows that began in a time, as far as their requests are archived. NoDataError where no lake is."""
    if not LakeTable.exists(data, "spans"):
        raise NoDataError(f"no lake in {data}: name another place with --data")
    with change_rows(data, "renormalise"), _alone(data) as is_alone:
        spans, messages = (Replacing(LakeTable(data, name)) for name in ("spans", "messages"))
        if is_alone:
            for replacing in (spans, messages):
                files.remove_unlisted(replacing.table, _PREFIX)
        before = _sums(data, since, until)
        stem = f"{_PREFIX}-{uuid.uuid4().hex[:12]}"
        price = pricer(contracts)
        rebuilding = Rebuilding((spans, messages), ArchivedRequests(data, contracts), price, since=since, until=until)
        rebuilt = rebuilding.run(stem)
        for day in sorted(rebuilt.days):
            _count_again(spans, day, price, stem)
        if is_alone:
            for replacing in (spans, messages):
                replacing.delete(at_once=True)
    return Outcome(rebuilt, _differences(before, _sums(data, since, until)), not is_alone)


def notes(outcome: Outcome) -> Iterator[str]:
    """What people should know of a run, line by line."""
    done = outcome.rebuilt
    yield f"{done.changed['spans']:,} rows of spans and {done.changed['messages']:,} of messages have changed"
    if done.not_archived:
        yield f"{done.not_archived:,} rows stay as they are: their requests are not in the archive of this collector"
    if done.unpriced:
        versions = ", ".join(sorted(done.price_versions))
        yield f"{done.unpriced:,} rows stay as they are: give their prices, {versions}, by --prices or --contracts"
    if outcome.has_company and done.changed:
        yield "a collector is running: a plain glob sees replaced files, too, until it is started anew"


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[bool]:
    """Keep converters out, if none is at work."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(lock(journal.journal_dir(data) / "converter.lock", "renormalise", wait_s=0))
        except LockedError:
            yield False
        else:
            yield True


def _count_again(spans: Replacing, day: date, price: Pricer, stem: str) -> None:
    """Decide anew which rows of a date count, beside those of the dates around it."""
    overdue = {}
    around = [file for day_ in (day - _DAY, day, day + _DAY) for file in spans.table.live_files(day_)]
    calls = pa.concat_tables([calls_of(files.read_columns(spans.table, file, READ)) for file in around])
    traces = pc.unique(related(calls)["trace_id"]).drop_null()
    columns = ("trace_id", "span_id", "parent_span_id")
    tree = [files.read_columns(spans.table, file, columns) for file in around]
    tree = [rows.filter(pc.is_in(rows["trace_id"], value_set=traces)) for rows in tree]
    of_day = set(calls.filter(pc.equal(calls["date"], day))["row_id"].to_pylist())
    for row_id, why in decisions(calls, pa.concat_tables(tree), are_all=True).decided.items():
        if row_id in of_day:
            overdue[row_id] = Change(day, why)
    while overdue:
        write_one(spans, overdue, price, stem)
        spans.table.refresh()


def _sums(data: Path, since: datetime, until: datetime) -> dict[str | None, Sums]:
    with query.connect(data, views=query.views_for()) as connection:
        rows = connection.execute(question("renormalise"), {"since": since, "until": until}).fetchall()
    return {model: {"calls": calls, "tokens": tokens, "usd": usd} for model, calls, tokens, usd in rows}


def _differences(before: Mapping[str | None, Sums], after: Mapping[str | None, Sums]) -> pa.Table:
    """A row for each model whose sums are others now, the largest difference first; none where one sum is not known."""
    none: Sums = {"calls": 0, "tokens": 0, "usd": Decimal(0)}
    found: list[dict[str, Any]] = []
    for model in {**before, **after}:
        old, new = before.get(model, none), after.get(model, none)
        if old != new:
            row = {f"old_{name}": value for name, value in old.items()} | {f"new_{name}": new[name] for name in new}
            is_known = None not in (old["usd"], new["usd"])
            found.append({"model": model, **row, "difference_usd": new["usd"] - old["usd"] if is_known else None})
    found.sort(key=lambda row: (-abs(row["difference_usd"] or 0), str(row["model"])))
    return pa.Table.from_pylist(found, pa.schema(_COLUMNS))

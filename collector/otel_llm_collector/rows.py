"""Rows on their way into the tables of one flow: as Arrow tables, with their identities beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from otel_llm.failures import swallow

from .lake.files import as_table
from .lake.schema import without_views

Keys = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]
Row = dict[str, Any]
SetAside = Callable[[int, str], None]  # the number of a segment that did not become rows as a whole, and why


class Item(Protocol):
    """What one item of a request becomes: its identity, its date, its row in the first table."""

    @property
    def key(self) -> int: ...
    @property
    def day(self) -> date: ...
    @property
    def row(self) -> Row: ...


I = TypeVar("I", bound=Item)  # noqa: E741 # an item
#: The tables of a flow, and what of an item each holds; None for an item that brings it nothing.
Tables = Mapping[str, Callable[[Any], Row | None]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the first table of a flow, and those of the others that came with them.

    `keys` are the identities of the first, `owners` tell of each row of the others which of the first it came with.
    """

    first: pa.Table
    keys: Keys
    others: tuple[pa.Table, ...] = ()
    owners: tuple[Places, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def days(self) -> npt.NDArray[np.int32]:
        """Days since 1970."""
        return np.asarray(self.first["date"].cast(pa.int32()).to_numpy())

    @property
    def segments(self) -> Places:
        return np.asarray(self.first["segment"].to_numpy())

    def select(self, chosen: Bools) -> Rows:
        """Some of them, with what came with them."""
        if chosen.all():
            return self
        place = np.cumsum(chosen) - 1
        kept = [chosen[owner] for owner in self.owners]
        return Rows(
            self.first.filter(pa.array(chosen)),
            self.keys[chosen],
            tuple(without_views(table).filter(pa.array(one)) for table, one in zip(self.others, kept, strict=True)),
            tuple(place[owner[one]] for owner, one in zip(self.owners, kept, strict=True)),
        )

    def without_views(self) -> Rows:
        """The same with all texts as strings, for who compares, takes or joins them."""
        return replace(self, others=tuple(map(without_views, self.others)))


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows end to end, one part at least."""
    before = np.cumsum([0, *(len(part) for part in parts[:-1])])
    owners = zip(
        *([owner + add for owner in part.owners] for part, add in zip(parts, before, strict=True)), strict=True
    )
    return Rows(
        pa.concat_tables([part.first for part in parts]).unify_dictionaries(),
        np.concatenate([part.keys for part in parts]),
        tuple(
            pa.concat_tables(map(without_views, tables))
            for tables in zip(*(part.others for part in parts), strict=True)
        ),
        tuple(np.concatenate(one) for one in owners),
    )


def from_items(items: Sequence[I], tables: Tables, set_aside: SetAside) -> Rows:
    """The rows of some items. One whose rows fit no table is left out."""
    try:
        return _from_items(items, tables)
    except Exception as error:
        if len(items) > 1:
            half = len(items) // 2
            return joined([from_items(part, tables, set_aside) for part in (items[:half], items[half:])])
        if isinstance(error, MemoryError):
            raise  # the machine, not the item
        name = next(iter(tables))
        swallow(f"making a row of {name}", error)
        set_aside(items[0].row["segment"], f"a row of {name} cannot be stored: {error!r}")
        return _from_items([], tables)


def _from_items(items: Sequence[Item], tables: Tables) -> Rows:
    told = {name: [row_of(item) for item in items] for name, row_of in tables.items()}
    made = [as_table(name, [row for row in rows if row]) for name, rows in told.items()]
    owners = [np.flatnonzero([bool(row) for row in rows]) for rows in told.values()]
    keys = np.array([item.key for item in items], np.uint64)
    return Rows(made[0], keys, tuple(made[1:]), tuple(owners[1:]))

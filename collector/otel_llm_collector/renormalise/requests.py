"""What the archived requests give by the mappings of today."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute

from otel_llm_semconv.pricing.contracts import Contracts

from .. import journal
from ..converter import ways
from ..rows import Rows

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute


class ArchivedRequests:
    """The archive of one data directory, which holds what its own collector received in the last days."""

    def __init__(self, data: Path, contracts: Contracts) -> None:
        self.collector_id = journal.read_collector_id(data)
        self._paths = {segment.number: segment.path for segment in journal.closed_segments(journal.archive_dir(data))}
        # What cannot be read was set aside at the first time.
        self._way = ways(self.collector_id, contracts, lambda rows: rows, lambda *_: None)[0]

    @property
    def segments(self) -> Any:
        """The numbers of its segments, as an Arrow array."""
        return pa.array(sorted(self._paths), pa.int64())

    def rows(self, wanted: pa.Table, day: date) -> Iterator[Rows]:
        """The rows of a date with these `row_id`s, each out of the `segment` that it came from; those that there
        still are."""
        seen = np.empty(0, np.uint64)
        for rows in self._way.read(self._frames(pc.unique(wanted["segment"]).sort().to_pylist())):
            is_wanted = _is_wanted(rows, wanted, day) & ~np.isin(rows.keys, seen)
            is_first = np.zeros(len(rows), np.bool_)  # what was sent twice is the first of them
            is_first[np.unique(np.where(is_wanted, rows.keys, 0), return_index=True)[1]] = True
            found = rows.select(is_wanted & is_first).without_views()
            seen = np.concatenate([seen, found.keys])
            if len(found):
                yield found

    def _frames(self, segments: Sequence[int]) -> Iterator[tuple[int, journal.Frame]]:
        for segment in segments:
            try:
                for frame in journal.read_sound_frames(self._paths[segment]):
                    if isinstance(frame, journal.Frame) and frame.kind in self._way.kinds:
                        yield segment, frame
            except FileNotFoundError:  # it has become too old meanwhile
                continue


def _is_wanted(rows: Rows, wanted: pa.Table, day: date) -> Any:
    place = pc.index_in(rows.first["row_id"], value_set=wanted["row_id"].combine_chunks())
    segment = wanted["segment"].combine_chunks().take(place.combine_chunks())
    is_wanted = pc.and_(pc.equal(rows.first["segment"], segment), pc.equal(rows.first["date"], pa.scalar(day)))
    return pc.fill_null(is_wanted, False).to_numpy(zero_copy_only=False)

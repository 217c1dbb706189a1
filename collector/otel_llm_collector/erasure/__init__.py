"""`otel-llm forget`: what one user, or one session, said leaves lake, archive and quarantine. Costs and counts stay.

Requests go first, the rows by which they are found last, so that it can be run again wherever it was ended. Files are
replaced by compare-and-swap, a collector may go on meanwhile; no files are merged.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from otel_llm.errors import OtelLlmError

from .. import journal
from ..alerts.forgetting import Renaming, rename_in_alerts
from ..alerts.history import TABLE as ALERTS
from ..lake import files
from ..lake.leftovers import delete_replaced
from ..lake.log import DataFile, LakeTable
from ..lake.replaced import Replacing
from ..lake.schema import arrow_schema
from ..process import LockedError, change_rows, lock
from ..rollup.keeper import take_unsound_away
from ..upkeep import remove_leftovers, work_alone
from .requests import erase_requests
from .rows import ERASED, replace_id, without_subject
from .subject import Found, Subject

#: Its stubs know too few of the types that these functions take.
pc: Final[Any] = pyarrow.compute
_Belongs = Callable[[pa.Table], Any]
_Change = Callable[[pa.Table], pa.Table] | None
_STEM: Final = "erased"
_DRAIN_S_MAX: Final = 60.0
_POLL_S: Final = 0.1
_PASSES_MAX: Final = 20


@dataclass(slots=True)
class Erased:
    """What a run erased, by place: rows of tables, requests of the archive, segments in quarantine.

    `pseudonym` stands where the id stood.
    """

    pseudonym: str
    counts: dict[str, int] = field(default_factory=dict)


def forget(data: Path, subject: Subject) -> Erased:
    """Erase the content of all that was acknowledged until now. Raises OtelLlmError where it has to be run again."""
    if not journal.identity_path(data).exists():
        raise OtelLlmError(f"no journal in {data}: name the data directory of a collector")
    with change_rows(data, "forget"), contextlib.ExitStack() as held:
        _wait_for_converter(data, held)
        held.enter_context(work_alone(data, _STEM))
        remove_leftovers(data)
        return _Erasure(data, subject).run()


def _wait_for_converter(data: Path, held: contextlib.ExitStack) -> None:
    """Until what is in the journal is in the lake; where no converter is at work, none begins while this is."""
    until = journal.next_number(data)
    deadline = time.monotonic() + _DRAIN_S_MAX
    try:
        held.enter_context(lock(journal.journal_dir(data) / "converter.lock", _STEM, wait_s=0))
        deadline = 0.0
    except LockedError:
        pass
    while any(segment.number < until for segment in journal.all_segments(journal.journal_dir(data))):
        if time.monotonic() > deadline:
            cure = "wait until it is" if deadline else "start `otel-llm collector` once"
            raise OtelLlmError(f"not all that was received is in the tables of {data}: {cure}, then run this again")
        time.sleep(_POLL_S)


class _Erasure:
    def __init__(self, data: Path, subject: Subject) -> None:
        self._data, self._subject = data, subject
        names = ("messages", *ERASED)
        self._tables = {name: Replacing(LakeTable(data, name)) for name in names if LakeTable.exists(data, name)}
        self._stem = f"{_STEM}-{journal.read_collector_id(data)}"
        self._done = Erased(f"forgotten-{secrets.token_hex(4)}")

    def run(self) -> Erased:
        for replacing in self._tables.values():
            files.remove_unlisted(replacing.table, self._stem)  # of a run that was killed
        naming = [self._tables[name].table for name in ("spans", "logs", "scores") if name in self._tables]
        found = Found.by(self._subject, naming)
        self._done.counts |= erase_requests(self._data, self._subject, found)
        if "messages" in self._tables:
            self._count_erased("messages", ("row_id",), lambda rows: pc.is_in(rows["row_id"], value_set=found.row_ids))
        erased = [name for name in ERASED if name in self._tables and name != ALERTS]
        for name in erased:
            self._erase(name, found)
        for name in erased:  # spans last: by whom they name all else is found
            self._replace_id(name)
        self._forget_alerts(found)
        take_unsound_away(self._data)
        for replacing in self._tables.values():
            replacing.delete(at_once=True)
            delete_replaced(replacing.table)
        return self._done

    def _forget_alerts(self, found: Found) -> None:
        """Once no call names the subject any more, by whose name it would fire again."""
        renaming = Renaming(self._subject.id, self._done.pseudonym)
        with contextlib.ExitStack() as held:
            if remembered := rename_in_alerts(self._data, renaming, held):
                self._done.counts["alerts remembered"] = remembered
            if LakeTable.exists(self._data, ALERTS):
                self._tables.setdefault(ALERTS, Replacing(LakeTable(self._data, ALERTS)))
                self._erase(ALERTS, found)

    def _erase(self, name: str, found: Found) -> None:
        change = functools.partial(without_subject, name, subject=self._subject, pseudonym=self._done.pseudonym)
        self._count_erased(name, *found.belonging(name), change)

    def _count_erased(self, name: str, known_by: Sequence[str], belongs: _Belongs, change: _Change = None) -> None:
        self._done.counts[name] = self._go_through(name, known_by, belongs, change)

    def _replace_id(self, name: str) -> None:
        subject = self._subject
        if subject.column in arrow_schema(name).names:
            change = functools.partial(replace_id, subject=subject, pseudonym=self._done.pseudonym)
            self._go_through(name, (subject.column,), lambda rows: subject.is_in(rows[subject.column]), change)

    def _go_through(self, name: str, known_by: Sequence[str], belongs: _Belongs, change: _Change) -> int:
        """Write the files of a table again that hold rows which belong, these changed, or none; how many there were."""

        def changed(rows: pa.Table) -> pa.Table:
            is_meant = belongs(rows)
            kept = rows.filter(pc.invert(is_meant))
            return pa.concat_tables([kept, change(rows.filter(is_meant))]).unify_dictionaries() if change else kept

        replacing, seen, count = self._tables[name], set[str](), 0
        for _ in range(_PASSES_MAX):
            waiting = [file for file in _live(replacing) if file.path not in seen]
            if not waiting:
                return count
            for file in waiting:
                with contextlib.suppress(FileNotFoundError):  # written again by somebody else: looked at once more
                    meant = _count(replacing.table, file, known_by, belongs)
                    new = replacing.change(file, changed, self._stem) if meant else file
                    if new is not None:
                        seen.add(new.path)
                        count += meant
        raise OtelLlmError(f"{name}: {_PASSES_MAX} times something came in between; run it again")


def _live(replacing: Replacing) -> list[DataFile]:
    replacing.table.refresh()
    return replacing.table.live_files()


def _count(table: LakeTable, file: DataFile, columns: Sequence[str], belongs: _Belongs) -> int:
    """How many rows of a file belong."""
    return sum(pc.sum(belongs(rows)).as_py() or 0 for rows in files.row_groups(table, file, columns))


def notes(done: Erased, subject: Subject) -> Iterator[str]:
    """What people should know of a run, line by line."""
    if not any(done.counts.values()):
        yield f"nothing of {subject} is stored"
        return
    yield f"{done.pseudonym} stands in the tables for {subject}; costs and counts stay"
    yield "what was handed on to other receivers, or uploaded by applications, is to be erased there"

"""A target's place in the journal and the archive: what waits for it, in order, and what has to be left out.

Segments are closed files with numbers without gaps in time: the next one is in `journal/`, or has moved on to
`archive/`, or was deleted there before the target got it. The place is on disk, so a restarted process goes on there
(a request can arrive twice).
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import journal

_LOG = logging.getLogger(__name__)
#: Requests are handed on together up to so many bytes: one by one they would come slower than they are taken.
BATCH_BYTES_MAX: Final = 4 * 1024 * 1024
BATCH_FRAMES_MAX: Final = 512


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests of one kind that stand together in a segment, and where the next begins."""

    kind: int
    frames: tuple[journal.Frame, ...]

    @property
    def end(self) -> int:
        return self.frames[-1].end


def first_waiting(data: Path, ids: Iterable[str]) -> float:
    """The number from which on segments wait for any of these targets; infinite where none has a place."""
    waiting = math.inf
    for id in ids:
        with contextlib.suppress(FileNotFoundError):
            waiting = min(waiting, _place(_path(data, id))[0])
    return waiting


class Queue:
    """What waits for one target, from the moment on that the first was made. `dropped` counts the requests that it will
    never get.
    """

    def __init__(self, data: Path, id: str, bytes_max: int) -> None:
        self._data = data
        self._path = _path(data, id)
        self._bytes_max = bytes_max
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.dropped = 0
        self._segment, self._offset = self._load()
        self.save()

    def batches(self) -> Iterator[Batch]:
        """Batches up to the end of what is closed by now. A batch that was taken counts as done with the next."""
        while segment := self._next_segment():
            for batch in _gathered(_frames_wherever(self._data, segment, self._offset)):
                yield batch
                if self._segment != segment.number:
                    break  # it was dropped meanwhile
                self._offset = batch.end
            else:
                self._segment, self._offset = segment.number + 1, 0
                self.save()

    def save(self) -> None:
        """Write the place down. Where the disk takes nothing the last one stands there, from which it would go on."""
        with contextlib.suppress(OSError):
            journal.replace_file(self._path, json.dumps({"segment": self._segment, "offset": self._offset}))

    def behind(self) -> tuple[int, float]:
        """Bytes that wait, and the age in seconds of the oldest file among them."""
        stats = [found.path.stat() for found in self._waiting() if found.path.exists()]
        waiting = sum(each.st_size for each in stats)
        now = time.time()
        age_s = max(0.0, now - min((each.st_mtime for each in stats), default=now))  # one is written just now
        return max(0, waiting - self._offset), age_s

    def drop_excess(self) -> None:
        """Leave out the oldest segments while more waits than may."""
        waiting = [(found, found.path.stat().st_size) for found in self._waiting() if found.path.exists()]
        excess = sum(size for _, size in waiting) - self._bytes_max
        for segment, size in waiting[:-1]:
            if excess <= 0:
                return
            frames = list(_frames_wherever(self._data, segment, self._offset if segment.number == self._segment else 0))
            self.dropped += len(frames)
            excess -= size
            self._segment, self._offset = segment.number + 1, 0
            self.save()

    def _waiting(self) -> list[journal.Segment]:
        folders = journal.archive_dir(self._data), journal.journal_dir(self._data)
        found = {
            s.number: s for folder in folders for s in journal.closed_segments(folder) if s.number >= self._segment
        }
        return [found[number] for number in sorted(found)]

    def _next_segment(self) -> journal.Segment | None:
        """The closed segment at the cursor, or the next higher one where a number was never filled or is gone."""
        while self._segment < (end := journal.next_number(self._data)):
            if (journal.journal_dir(self._data) / f"{self._segment:012d}.open").exists():
                return None
            if found := journal.find_segment(self._data, self._segment):
                return found
            if self._segment == end - 1:
                return None  # about to be opened
            self._segment, self._offset = self._segment + 1, 0
        return None

    def _load(self) -> tuple[int, int]:
        try:
            return _place(self._path)
        except FileNotFoundError:
            return self._first_unseen(), 0

    def _first_unseen(self) -> int:
        """A new target gets what is stored from now on: the archive is history."""
        if not journal.identity_path(self._data).exists():
            return 1
        waiting = journal.closed_segments(journal.journal_dir(self._data))
        return waiting[0].number if waiting else journal.next_number(self._data)


def _path(data: Path, id: str) -> Path:
    return journal.journal_dir(data) / f"forward-{id}.json"


def _place(path: Path) -> tuple[int, int]:
    stored = json.loads(path.read_text())
    return int(stored["segment"]), int(stored["offset"])


def _gathered(frames: Iterator[journal.Frame]) -> Iterator[Batch]:
    """Neighbours of one kind together. Requests laid end to end are one request: that is how protobuf merges them."""
    held: list[journal.Frame] = []
    size = 0
    for frame in frames:
        is_full = size + len(frame.payload) > BATCH_BYTES_MAX or len(held) >= BATCH_FRAMES_MAX
        if held and (is_full or frame.kind != held[0].kind):
            yield Batch(held[0].kind, tuple(held))
            held, size = [], 0
        held.append(frame)
        size += len(frame.payload)
    if held:
        yield Batch(held[0].kind, tuple(held))


def _frames_wherever(data: Path, segment: journal.Segment, offset: int) -> Iterator[journal.Frame]:
    """The sound frames after `offset` of a segment that the converter may move to the archive at any moment."""
    for path in (segment.path, journal.archive_dir(data) / segment.path.name):
        try:
            for frame in journal.read_sound_frames(path):
                if isinstance(frame, journal.CorruptFrameError):
                    _LOG.warning("%s; forwarding goes on behind it", frame)
                elif frame.end > offset:
                    yield frame
        except FileNotFoundError:
            continue
        return

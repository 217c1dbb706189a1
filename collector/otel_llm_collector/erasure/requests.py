"""Requests as they came, without what belongs to somebody: in the archive, and in quarantine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from .. import journal
from ..signals import SIGNALS
from .subject import Found, Subject

#: Kind of a frame -> the fields that lead to the items of its request.
_FIELDS: Final = {
    journal.TRACES: ("resource_spans", "scope_spans", "spans"),
    journal.LOGS: ("resource_logs", "scope_logs", "log_records"),
    journal.METRICS: ("resource_metrics", "scope_metrics", "metrics"),
}
#: Of a field that no request has: what it says is skipped by whoever reads it.
_PADDING_TAG: Final = bytes([15 << 3 | 2])
_PADDING_HEAD_BYTES: Final = 6


def erase_requests(data: Path, subject: Subject, found: Found) -> dict[str, int]:
    """Take what belongs to the subject out of all stored requests; how many of each place it was in."""
    mine = {number for collector, number in found.segments if collector == journal.read_collector_id(data)}
    erasing = _Erasing(subject, found)
    archived = journal.closed_segments(journal.archive_dir(data))
    return {
        "archive": sum(erasing.rewrite(segment.path, is_known=segment.number in mine) for segment in archived),
        "quarantine": sum(
            erasing.remove(segment.path, is_known=segment.number in mine)
            for segment in journal.closed_segments(journal.quarantine_dir(data))
        ),
    }


class _Erasing:
    def __init__(self, subject: Subject, found: Found) -> None:
        self._id, self._needle = subject.id, subject.id.encode()
        self._spans = found.spans
        self._traces = frozenset(bytes.fromhex(trace) for trace in found.traces.to_pylist())

    def remove(self, path: Path, *, is_known: bool) -> int:
        """Delete a segment of which not all can be read, where something in it may be the subject's."""
        if not is_known and self._needle not in path.read_bytes():
            return 0
        path.unlink()
        return 1

    def rewrite(self, path: Path, *, is_known: bool) -> int:
        """Write a segment again; how many of its requests held something. Every frame stays where it was."""
        try:
            stored = path.read_bytes()
        except FileNotFoundError:  # it has become too old meanwhile
            return 0
        if not is_known and self._needle not in stored:
            return 0
        changed, count, end = bytearray(stored), 0, 0
        for frame in journal.read_sound_frames(path):
            if isinstance(frame, journal.CorruptFrameError):
                continue
            whole = journal.frame_header(frame.kind, frame.received_ns, frame.payload, frame.tenant) + frame.payload
            start = frame.end - len(whole)
            changed[end:start] = bytes(start - end)  # what cannot be read may be anybody's
            end = frame.end
            if (payload := self._without(frame)) is not None:
                head = journal.frame_header(frame.kind, frame.received_ns, payload, frame.tenant)
                changed[start:end] = head + payload
                count += 1
        changed[end:] = bytes(len(changed) - end)
        if changed != stored:
            _replace(path, changed)
        return count

    def _without(self, frame: journal.Frame) -> bytes | None:
        """A request without what belongs to the subject, padded to its length; None where nothing in it does."""
        resources, scopes, items = _FIELDS[frame.kind]
        request = SIGNALS[frame.kind].request.FromString(frame.payload)
        is_changed, kept_resources = False, []
        for resource in getattr(request, resources):
            kept = 0
            for scope in getattr(resource, scopes):
                listed = getattr(scope, items)
                others = [item for item in listed if not self._belongs(item)]
                if len(others) < len(listed):
                    is_changed = True
                    del listed[:]
                    listed.extend(others)
                kept += len(others)
            if kept:
                kept_resources.append(resource)
        if not is_changed:
            return None
        rest = type(request)()
        getattr(rest, resources).extend(kept_resources)
        return _padded(rest.SerializeToString(), len(frame.payload))

    def _belongs(self, item: Any) -> bool:
        trace, span = getattr(item, "trace_id", b""), getattr(item, "span_id", b"")
        if trace + span in self._spans or (trace in self._traces and not hasattr(item, "kind")):
            return True
        return any(pair.value.string_value == self._id for pair in _attributes(item))


def _attributes(item: Any) -> Iterator[Any]:
    """The attributes of a span or record; of a metric those of its points and their examples."""
    if not hasattr(item, "data") and hasattr(item, "attributes"):
        yield from item.attributes
    for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
        if kind in {field.name for field, _ in item.ListFields()}:
            for point in getattr(item, kind).data_points:
                yield from point.attributes
                for example in getattr(point, "exemplars", ()):
                    yield from example.filtered_attributes


def _padded(payload: bytes, size: int) -> bytes:
    """The payload with an unknown field behind it, of so many bytes together; where it does not fit, that alone.

    Who hands requests on has noted places in the segment.
    """
    room = size - len(payload)
    if room == 0:
        return payload
    if room < _PADDING_HEAD_BYTES:
        payload, room = b"", size
    length = room - _PADDING_HEAD_BYTES
    varint = bytes([0x80 | length >> 7 * place & 0x7F for place in range(4)] + [length >> 28 & 0x7F])
    return payload + _PADDING_TAG + varint + bytes(length)


def _replace(path: Path, content: bytes | bytearray) -> None:
    """Put other bytes in the place of a file's, durably and in one step; its age stays."""
    stat = path.stat()
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.utime(temporary, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    temporary.rename(path)
    journal.sync_folder(path.parent)

"""What both doors of the receiver share: validate a request, put it on disk with its neighbours, then say so.

Requests that arrive while a write is under way wait for the next one, so a busy receiver pays one fsync for many.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from .. import journal
from ..signals import Signal
from .refusals import RETRY_AFTER_S, BusyError, RefusedError, TooLargeError
from .room import LOOK_S, Room
from .soundness import LARGE_BYTES_MIN, Accepted, check
from .telemetry import Telemetry

_LOG = logging.getLogger(__name__)

#: A segment is closed, and so handed to the converter, at this age or size, whichever comes first.
SEGMENT_AGE_S_MAX: Final = 0.4
SEGMENT_BYTES_MAX: Final = 8 * 1024 * 1024
#: Where this process has been busy for so much of the time, and had so many requests at once, a group is waited for
#: until it has enough, in requests or bytes, or does not grow any more, for so many steps at most: to write one takes
#: a busy process what a dozen small requests take.
_BUSY_MIN: Final = 0.85
_LOOK_BACK_S: Final = 0.05
_CROWD_MIN: Final = 12
_GROUP_ENOUGH: Final = 20
_GROUP_BYTES_ENOUGH: Final = 64 * 1024
_GATHER_STEPS_MAX: Final = 3
_GATHER_STEP_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class _Waiting:
    header: bytes
    payload: bytes
    done: asyncio.Future[None]


class Budget:
    """Bytes of requests that may be in memory at once."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.taken = 0

    def take(self, size: int) -> None:
        """Hold `size` bytes until `give`. Raises BusyError where there is no room, TooLargeError where never is."""
        if size > self.bytes_max:
            raise TooLargeError(f"the body is larger than {self.bytes_max} bytes; send smaller batches")
        if self.taken + size > self.bytes_max:
            raise BusyError(f"the receiver holds {self.taken} bytes already; send this again in a moment")
        self.taken += size

    def give(self, size: int) -> None:
        """Give back what was taken."""
        self.taken -= size


class Pace:
    """Whether it is this process that many requests wait for, as of not long ago."""

    def __init__(self) -> None:
        self._then, self._used = time.monotonic(), time.process_time()
        self._here = self._most = 0
        self._is_slow = False

    def come(self) -> None:
        """One more request is here."""
        self._here += 1
        self._most = max(self._most, self._here)

    def go(self) -> None:
        """One less is."""
        self._here -= 1

    def is_slow(self) -> bool:
        """Whether we were busy nearly all the time, and a crowd was here; looked at anew after `_LOOK_BACK_S`."""
        passed = time.monotonic() - self._then
        if passed >= _LOOK_BACK_S:
            used = time.process_time()
            self._is_slow = self._most >= _CROWD_MIN and used - self._used >= _BUSY_MIN * passed
            self._then, self._used, self._most = self._then + passed, used, self._here
        return self._is_slow


class Intake:
    """Accepts requests on behalf of the HTTP and gRPC doors. Lives in one event loop.

    `budget` is the memory for requests that are read or wait for the disk, `room` the disk's, `telemetry` what
    is counted of them.
    """

    def __init__(self, writer: journal.Writer, room: Room, telemetry: Telemetry, memory_bytes_max: int) -> None:
        self._writer = writer
        self.room = room
        self.telemetry = telemetry
        telemetry.torn_bytes.set(writer.torn_bytes)
        telemetry.journal_bytes.set_function(lambda: room.journal_bytes)
        telemetry.journal_lag.set_function(lambda: room.lag_s)
        telemetry.is_full.set_function(lambda: bool(room.why))
        telemetry.memory_bytes.set_function(lambda: self.budget.taken)
        telemetry.waiting.set_function(lambda: len(self._waiting))
        self.budget = Budget(memory_bytes_max)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._waiting: list[_Waiting] = []
        self._pace = Pace()
        self._wake = asyncio.Event()
        self._tasks = [asyncio.create_task(self._write_groups()), asyncio.create_task(self._look_around())]

    async def store(self, signal: Signal, payload: bytes, tenant: str = "") -> Accepted:
        """Store one request of a signal; returns once it is on disk. Raises RefusedError."""
        self.room.check()
        if len(payload) < LARGE_BYTES_MIN:
            sound, accepted = check(signal, payload)
        else:  # elsewhere, so that the other requests do not wait
            sound, accepted = await asyncio.to_thread(check, signal, payload)
        if sound:
            await self._append(signal.kind, sound, tenant)
        return accepted

    async def close(self) -> None:
        """Write what is waiting, close the segment, stop."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._write_group()
        await self._on_disk(self._writer.rotate)
        self._disk.shutdown()

    async def _append(self, kind: int, payload: bytes, tenant: str) -> None:
        header = journal.frame_header(kind, time.time_ns(), payload, tenant)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(header, payload, done))
        self._pace.come()
        self._wake.set()
        try:
            await done
        finally:
            self._pace.go()

    async def _write_groups(self) -> None:
        opened_at = 0.0
        while True:
            if self._writer.size == 0:
                await self._wake.wait()
                opened_at = time.monotonic()
            age_left = opened_at + SEGMENT_AGE_S_MAX - time.monotonic()
            if age_left <= 0 or self._writer.size >= SEGMENT_BYTES_MAX:
                await self._rotate()
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(age_left):  # `wait_for` may swallow a cancellation before Python 3.12
                    await self._wake.wait()
            await self._gather()
            self._wake.clear()
            await asyncio.shield(self._write_group())

    async def _gather(self) -> None:
        """Wait a little for more requests, where many come at once, are small, and it is we who are slow."""
        if not self._pace.is_slow():
            return
        before = 0
        for _ in range(_GATHER_STEPS_MAX):
            if not before < len(self._waiting) < _GROUP_ENOUGH:
                return
            if sum(len(item.payload) for item in self._waiting) >= _GROUP_BYTES_ENOUGH:
                return
            before = len(self._waiting)
            await asyncio.sleep(_GATHER_STEP_S)

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with contextlib.suppress(OSError):  # a disk that fails says so when it is written to
                await asyncio.shield(self._on_disk(self.room.look))

    async def _rotate(self) -> None:
        try:
            await asyncio.shield(self._on_disk(self._writer.rotate))
        except Exception as error:
            _LOG.error("cannot close a journal segment, will try again: %s", error)
            await asyncio.sleep(RETRY_AFTER_S)

    async def _write_group(self) -> None:
        group, self._waiting = self._waiting, []
        if not group:
            return
        began = time.monotonic()
        try:
            await self._on_disk(self._writer.append, [(item.header, item.payload) for item in group])
        except Exception as error:
            _LOG.error("the journal cannot be written: %s", error)
            _settle(group, BusyError(f"the journal cannot be written ({error}); nothing was stored"))
        else:
            self.telemetry.flush_seconds.observe(time.monotonic() - began)
            self.telemetry.flush_requests.observe(len(group))
            self.room.add(sum(len(item.payload) for item in group))
            _settle(group, None)

    async def _on_disk(self, call: Callable[..., None], *args: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._disk, call, *args)


def _settle(group: list[_Waiting], error: RefusedError | None) -> None:
    for item in group:
        if item.done.done():  # the client went away meanwhile
            continue
        if error is None:
            item.done.set_result(None)
        else:
            item.done.set_exception(error)

"""So many at once; the others wait for their turn in the order in which they came, so many of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Final

from .refusals import BusyError

#: Queries that wait; more are told to come again.
WAITING_MAX: Final = 16


class Turns:
    """Turns of one event loop. `at_once` may be changed."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def ask(self) -> asyncio.Future[None]:
        """A turn, once the future is done; whoever cancels it wants none any more. Raises BusyError."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.running < self.at_once:
            self.running += 1
            place.set_result(None)
        elif len(self._waiting) >= WAITING_MAX:
            raise BusyError(f"{self.running} queries run and {len(self._waiting)} wait; ask again in a moment")
        else:
            self._waiting.append(place)
            place.add_done_callback(self._leave_row)
        return place

    def end(self) -> None:
        """Give a turn back: the next has it."""
        while self._waiting and self.running <= self.at_once:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.running -= 1

    def _leave_row(self, place: asyncio.Future[None]) -> None:
        with contextlib.suppress(ValueError):
            self._waiting.remove(place)

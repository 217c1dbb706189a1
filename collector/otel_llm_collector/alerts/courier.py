"""Brings messages to one channel, in order. Each channel has a thread: one that is dead delays no other."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from typing import Final

from .channels import Channel, DeliveryError
from .message import Message
from .state import State

_POLL_S: Final = 0.5
Clock = Callable[[], dt.datetime]


class Courier:
    """The way to one channel."""

    def __init__(self, name: str, channel: Channel, state: State) -> None:
        self._name, self._channel, self._state = name, channel, state

    def deliver(self, now: dt.datetime) -> bool:
        """Bring what is due first. False where nothing was, or it was not taken."""
        letter = self._state.next(self._name, now)
        if letter is None:
            return False
        try:
            self._channel.deliver(Message.from_dict(letter.message))
        except DeliveryError as error:
            self._state.failed(self._name, letter, now, str(error), error.after_s)
            return False
        except Exception as error:  # a fault of ours: tried again as any failure, and told
            self._state.failed(self._name, letter, now, f"{type(error).__name__} inside", None)
            return False
        self._state.delivered(self._name, letter)
        return True

    def start(self, stop: threading.Event, clock: Clock) -> None:
        """Go on in a thread until `stop` is set. What is under way at the end of the process is brought again."""

        def run() -> None:
            while not stop.is_set():
                if not self.deliver(clock()):
                    stop.wait(_POLL_S)

        threading.Thread(target=run, name=f"courier {self._name}", daemon=True).start()

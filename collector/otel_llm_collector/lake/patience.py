"""Work on the lake that can wait: after a fault it is left alone for a while, and everything else goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from otel_llm.failures import swallow

from .merge import Stopped

_LOG = logging.getLogger(__name__)


class ForeignFaultError(Exception):
    """A fault of something else that is done in between, which is not to be waited out."""

    def __init__(self, fault: Exception) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Patience:
    """Tries work of one kind, steps of which say whether there was something to do.

    `name` is what its faults are counted under, `said` what is logged of them; the next try is `pause_s` later.
    """

    def __init__(self, name: str, said: str, pause_s: float) -> None:
        self._name, self._said, self._pause_s = name, said, pause_s
        self._paused_until = 0.0

    def attempt(self, work: Callable[[], bool]) -> bool:
        """What `work` says; False where it is to wait or fails. Stopped and foreign faults are raised."""
        if time.monotonic() < self._paused_until:
            return False
        try:
            return work()
        except Stopped:
            raise
        except ForeignFaultError as error:
            raise error.fault from None
        except Exception as error:
            _LOG.exception("%s failed", self._said)
            self._paused_until = time.monotonic() + self._pause_s
            swallow(self._name, error)
            return False

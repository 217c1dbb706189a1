"""Why a request is not stored. The doors translate each class to a status of their protocol."""

from __future__ import annotations

from typing import Final

#: After how many seconds a client that found no room may come again.
RETRY_AFTER_S: Final = 1


class RefusedError(Exception):
    """A request that is not stored. `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadDataError(RefusedError):
    """Not OTLP, or not what this door takes: sending it again cannot help (400, INVALID_ARGUMENT)."""


class TooLargeError(RefusedError):
    """Larger than the limit, before or after decompression (413, RESOURCE_EXHAUSTED)."""


class BusyError(RefusedError):
    """No room right now: send it again after a while (503, UNAVAILABLE)."""

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


class UnknownSenderError(RefusedError):
    """Without a token that is let in (401, UNAUTHENTICATED)."""


class ForbiddenError(RefusedError):
    """Something that this collector does not do for this sender (403, PERMISSION_DENIED)."""


class NothingThereError(RefusedError):
    """A path that nothing answers (404, UNIMPLEMENTED)."""


class WrongMethodError(RefusedError):
    """A path that answers another method (405). `allowed` names it."""

    def __init__(self, reason: str, allowed: str) -> None:
        super().__init__(reason)
        self.allowed = allowed


class WrongTypeError(RefusedError):
    """A content type or encoding that is not taken (415, INVALID_ARGUMENT)."""


class BadRequestError(BadDataError):
    """Not HTTP as this server reads it; nothing after it on the connection can be read."""


class FaultError(RefusedError):
    """We failed (500, INTERNAL): the client drops it, as the next try would fail too."""

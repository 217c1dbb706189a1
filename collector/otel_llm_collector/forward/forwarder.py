"""One target's thread: takes what waits for it, hands it on, waits while it is not there."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from pathlib import Path
from typing import Final

from otel_llm.failures import places_of
from otel_llm_semconv.pricing.contracts import Contracts

from .. import journal
from ..signals import SIGNALS
from .destination import Destination
from .filters import filter_of
from .queue import Batch, Queue
from .state import TargetState, write_state
from .targets import DeniedError, RejectedError, UnreachableError, connect

_LOG = logging.getLogger(__name__)

_POLL_S: Final = 0.1
_STATE_S: Final = 1.0
_BACKOFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_RETRY_AFTER_S_MAX: Final = 300.0


class Forwarder:
    """Forwards to one destination from `start` to `stop`. `state` says what came of it."""

    def __init__(self, data: Path, destination: Destination, contracts: Contracts) -> None:
        self._data = data
        self._id = destination.id
        self._target = connect(destination)
        self._filter = filter_of(destination, contracts)
        self._queue = Queue(data, destination.id, destination.queue_bytes_max)
        self._stopping = threading.Event()
        self._told_at = 0.0
        self.state = TargetState(destination.shown)
        self._thread = threading.Thread(target=self._run, name=f"forward {destination.shown}", daemon=True)

    def start(self) -> None:
        """Begin where it was left."""
        self._tell()
        self._thread.start()

    def stop(self, wait_s: float = 3.0) -> None:
        """Send what is closed by now, as far as that goes in `wait_s` seconds; the rest goes at the next start."""
        self._stopping.set()
        self._thread.join(wait_s)
        self._target.close()

    def _run(self) -> None:
        attempt = 0
        while True:
            last_round = self._stopping.is_set()
            try:
                self._hand_on_all()
                attempt = 0
            except Exception as error:  # the disk, or a fault of ours: what waits still does, and is tried again
                if attempt == 0:
                    _LOG.error("forward to %s waits, by a fault here: %s", self.state.url, places_of(error))
                self._pause(attempt, f"a fault here: {type(error).__name__}")
                attempt += 1
            self._tell_sometimes()
            if last_round:
                self._tell()
                return
            self._stopping.wait(_POLL_S)

    def _hand_on_all(self) -> None:
        """All that is closed by now, unless it is told to stop before."""
        with contextlib.suppress(_StoppedError):
            for batch in self._queue.batches():
                self._hand_on(batch)
                self._tell_sometimes()

    def _hand_on(self, batch: Batch) -> None:
        """All requests of a batch as one; where the target refuses that, each for itself."""
        if batch.kind not in SIGNALS:
            return
        payloads = [payload for frame in batch.frames if (payload := self._filtered(frame))]
        if not payloads:
            return
        if self._delivers(batch.kind, b"".join(payloads)):
            self.state.sent += len(payloads)
            return
        for payload in payloads:
            if len(payloads) > 1 and self._delivers(batch.kind, payload):
                self.state.sent += 1
            else:
                self.state.rejected += 1
                _LOG.warning(
                    "%s rejects a request (%s): dropped there, kept here", self.state.url, self.state.last_error
                )

    def _filtered(self, frame: journal.Frame) -> bytes | None:
        """What the target gets of a request. One that we fail on is not handed on: what should stay here might go."""
        try:
            return self._filter(frame.kind, bytes(frame.payload), frame.received_ns)
        except Exception as error:
            self.state.rejected += 1
            self.state.last_error = f"a request cannot be filtered: {type(error).__name__}"
            _LOG.warning(
                "%s: a request cannot be filtered, it is kept here alone: %s", self.state.url, places_of(error)
            )
            return None

    def _delivers(self, kind: int, payload: bytes) -> bool:
        """Hand a request on, however long it takes; False where the target will never take it."""
        attempt = 0
        while True:
            try:
                self.state.items_rejected += self._target.send(kind, payload)
            except (UnreachableError, DeniedError) as error:  # a key that has run out is renewed, and SIGHUP tells it
                if attempt == 0:
                    _LOG.warning("forward to %s waits: %s", self.state.url, error)
                if self._pause(attempt, str(error), error.after_s):
                    raise _StoppedError from None
                attempt += 1
            except RejectedError as error:
                self.state.last_error = str(error)
                return False
            else:
                return True

    def _pause(self, attempt: int, reason: str, after_s: float | None = None) -> bool:
        """Wait before the next attempt. True where it was told to stop meanwhile."""
        self.state.failures += 1
        self.state.last_error = reason
        self._queue.save()
        pause_s = _BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        if after_s is not None:
            pause_s = max(pause_s, min(after_s, _RETRY_AFTER_S_MAX))
        self._tell()
        return self._stopping.wait(pause_s)

    def _tell_sometimes(self) -> None:
        if time.monotonic() - self._told_at >= _STATE_S:
            self._tell()

    def _tell(self) -> None:
        """Drop what is too much to wait, and say how things stand. Never raises: it tells of the work, it is not it."""
        self._told_at = time.monotonic()
        try:
            before = self.state.dropped
            self._queue.drop_excess()
            self.state.dropped = self._queue.dropped
            if self.state.dropped > before:
                _LOG.warning("%s: %d requests dropped, the queue is full", self.state.url, self.state.dropped - before)
            self.state.behind_bytes, self.state.lag_s = self._queue.behind()
            write_state(self._data, self._id, self.state)
        except Exception as error:
            _LOG.warning("the state of a target is not known: %s", places_of(error))


class _StoppedError(Exception):
    """The forwarder was told to stop while it waited."""

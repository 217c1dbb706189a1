"""What never arrives: counted by reason, and said once."""

from __future__ import annotations

import logging
import threading
from collections import Counter

_logger = logging.getLogger("otel_llm")


class Losses:
    """How much of one kind was lost, by reason. The first loss is a WARNING; later ones are only counted.

    `what` names the kind, as in `span(s)`. `warning` is a format of how many, of what, why, and a detail.
    """

    def __init__(self, what: str, warning: str) -> None:
        self.what = what
        self.counts: Counter[str] = Counter()
        self._warning = warning
        self.renew()

    def renew(self) -> None:
        """As at the start: what the parent of a forked child lost is the parent's."""
        self.counts.clear()
        self._lock = threading.Lock()
        self._told = False

    def add(self, count: int, reason: str, detail: str = "") -> None:
        """Count as lost, and say so the first time."""
        if count <= 0:
            return
        with self._lock:
            self.counts[reason] += count
            told, self._told = self._told, True
        if not told:
            _logger.warning(self._warning, count, self.what, reason, detail)

"""What somebody is told: that an alert fires, or that it is over."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

FIRING: Final = "firing"
RESOLVED: Final = "resolved"


@dataclass(frozen=True, slots=True)
class Message:
    """One firing or resolving: what becomes a row of the table `alerts`, and what channels are told of it.

    `id` is the same however often it is delivered, `breach_id` the same for a firing and its end.
    """

    id: str
    breach_id: str
    event: str
    alert: str
    kind: str
    labels: Mapping[str, str | None]
    time: dt.datetime
    fired_at: dt.datetime
    window_start: dt.datetime | None
    window_end: dt.datetime | None
    value: float | None
    threshold: float | None
    baseline: float | None
    calls: int
    text: str

    @property
    def is_over(self) -> bool:
        return self.event == RESOLVED

    @property
    def title(self) -> str:
        """One line, whatever the labels are."""
        return " ".join(self.text.split())

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it: times in ISO 8601."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: value.isoformat().replace("+00:00", "Z") if isinstance(value, dt.datetime) else value
            for name, value in found.items()
        } | {"labels": dict(self.labels)}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Message:
        """What `as_dict` has made."""
        names = ("time", "fired_at", "window_start", "window_end")
        times = {name: given[name] and dt.datetime.fromisoformat(given[name]) for name in names}
        return cls(**{**given, **times})

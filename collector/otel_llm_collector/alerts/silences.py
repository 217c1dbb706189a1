"""Silences that somebody asked for by hand: `otel-llm alerts silence`. A file of their own, which only that writes."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import journal
from .rules import Rule


@dataclass(frozen=True, slots=True)
class Silence:
    """An alert, or those of its groups that have these labels, of which nobody is told until then."""

    alert: str
    labels: Mapping[str, str]
    until: dt.datetime

    def holds(self, alert: str, labels: Mapping[str, str | None], moment: dt.datetime) -> bool:
        """Whether a breach is silenced at a moment."""
        is_meant = alert == self.alert and all(labels.get(name) == value for name, value in self.labels.items())
        return is_meant and moment < self.until


def read_silences(data: Path) -> list[Silence]:
    """All that were asked for, past ones too."""
    with contextlib.suppress(FileNotFoundError):
        stored = json.loads(_path(data).read_text())
        return [Silence(one["alert"], one["labels"], dt.datetime.fromisoformat(one["until"])) for one in stored]
    return []


def keep_silence(data: Path, silence: Silence, now: dt.datetime) -> None:
    """From now on this one holds for its alert and labels; what is over is forgotten."""
    others = [
        one
        for one in read_silences(data)
        if one.until > now and (one.alert, one.labels) != (silence.alert, silence.labels)
    ]
    _write(data, [*others, silence] if silence.until > now else others)


def rename_in_silences(data: Path, value: str, pseudonym: str) -> int:
    """Put a pseudonym in the place of a value of labels; in how many silences it stood."""
    kept = read_silences(data)
    if found := sum(value in one.labels.values() for one in kept):
        renamed = [{name: pseudonym if had == value else had for name, had in one.labels.items()} for one in kept]
        _write(data, [replace(one, labels=labels) for one, labels in zip(kept, renamed, strict=True)])
    return found


def _write(data: Path, kept: Sequence[Silence]) -> None:
    journal.journal_dir(data).mkdir(parents=True, exist_ok=True)
    stored = [{"alert": one.alert, "labels": one.labels, "until": one.until.isoformat()} for one in kept]
    journal.replace_file(_path(data), json.dumps(stored))


def is_silenced(
    rule: Rule, labels: Mapping[str, str | None], moment: dt.datetime, zone: Any, by_hand: Sequence[Silence]
) -> bool:
    """Whether nobody is told of a group of a rule at a moment: by its times, or by hand."""
    local = moment.astimezone(zone)
    if any(times.holds(local) for times in rule.silence):
        return True
    return any(silence.holds(rule.name, labels, moment) for silence in by_hand)


def _path(data: Path) -> Path:
    return journal.journal_dir(data) / "alerts.silences.json"

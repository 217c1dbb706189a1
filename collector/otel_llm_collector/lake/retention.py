"""What is old leaves a table: whole dates, by a commit that takes no time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from .log import DataFile
from .replaced import Replacing


def drop_old(replacing: Replacing, days: float, now_s: float) -> bool:
    """Take the dates out of a table that ended so many days ago. False where there are none.

    Their files are deleted as all that a commit replaced. A date that somebody else writes to is dropped the next time.
    """
    table = replacing.table
    table.refresh()
    old = sorted(_older(table.live_files(), datetime.fromtimestamp(now_s, UTC) - timedelta(days=days)), key=_day)
    return sum(replacing.replace(list(files), [], data_change=True) for _, files in itertools.groupby(old, _day)) > 0


def _older(files: Sequence[DataFile], moment: datetime) -> list[DataFile]:
    return [file for file in files if file.day < moment.date()]


def _day(file: DataFile) -> date:
    return file.day

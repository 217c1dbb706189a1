"""What was found, as a table for people, or as JSON or CSV, decimals as text."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, TextIO

_GAP: Final = "  "


def write(rows: Sequence[dict[str, Any]], form: str, out: TextIO) -> None:
    """All rows have the same keys; None is nothing known."""
    if form == "json":
        out.write(json.dumps(rows, default=_spell, ensure_ascii=False, indent=2) + "\n")
    elif form == "csv":
        _write_csv(rows, out)
    else:
        _write_table(rows, out)


def _spell(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _cell(value: Any) -> str:
    return "" if value is None else _spell(value)


def _write_csv(rows: Sequence[dict[str, Any]], out: TextIO) -> None:
    if rows:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)


def _write_table(rows: Sequence[dict[str, Any]], out: TextIO) -> None:
    """Numbers to the right, the rest to the left. One row alone stands upright."""
    if not rows:
        out.write("nothing found\n")
        return
    if len(rows) == 1:
        width = max(map(len, rows[0]))
        out.writelines(f"{name.ljust(width)}{_GAP}{_cell(value)}".rstrip() + "\n" for name, value in rows[0].items())
        return
    names = list(rows[0])
    cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    right = [all(isinstance(row[name], Decimal | int | None) for row in rows) for name in names]
    for line in cells:
        padded = (
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, right, strict=True)
        )
        out.write(_GAP.join(padded).rstrip() + "\n")

"""What calls cost, day by day."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

from .answers import Selection
from .opening import fill, question
from .statements import readable_errors

if TYPE_CHECKING:
    import duckdb


def daily(connection: duckdb.DuckDBPyConnection, chosen: Selection) -> dict[dt.date, Decimal]:
    """The cost of each day with a call, in the time zone of the connection; 0 where none of its calls has a price."""
    query = fill(question("daily"), filter=" AND ".join(chosen.conditions), where=chosen.where)
    with readable_errors(None if chosen.where == "true" else chosen.where):
        rows = connection.execute(query, chosen.parameters).fetchall()
    return {day: cost or Decimal(0) for day, cost in rows}

"""Which rows count: of those that tell of one call of a model, one.

A call is told of twice where an SDK traces itself and an instrumentor traces it, too, where a proxy traces what an
application traced, where an agent sums up what its calls used, where a log record says what a span said. Each row that
looks like a call is looked at beside the others of its batch and those that came before (`recent.py`): `rules.py`
finds which tell of the same call, `choice.py` which of them is counted. The others stay, with `not_counted_reason`,
their usage, and no cost. Where a later row changes that of an earlier one, its file is written again (`recount.py`).
"""

from __future__ import annotations

from .settle import settle

__all__ = ["settle"]

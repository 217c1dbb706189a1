"""Which dimensions are added up together. One cube of all of them would have nearly as many rows as there are calls."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from otel_llm_semconv.tables import TABLES

TABLE: Final = "rollups"
#: What a property is known by: this and its key.
PROPERTY: Final = "properties."
#: What the one row of a file is of whose dates have no call.
NO_CUBE: Final = "none"
#: How far the middle of a bucket of times is from any time in it, at most; and how much longer the next bucket's are.
RELATIVE_ERROR: Final = 0.01
GROWTH: Final = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
#: Finer first.
GRAINS: Final = ("hour", "day", "month")


@dataclass(frozen=True, slots=True)
class Cube:
    """Dimensions that are told apart, in files of a date by `day_grain` of the time, in those of months by the other.

    `is_timed` ones hold how many calls took how long, by bucket; the others what calls cost. The columns in
    `unpriced` are told only of calls whose model has no known price. Cells `of` another cube are made of its cells.
    """

    name: str
    dimensions: tuple[str, ...]
    day_grain: str
    month_grain: str
    is_timed: bool = False
    has_properties: bool = True
    unpriced: tuple[str, ...] = ()
    of: str = ""

    def grain(self, *, is_month: bool) -> str:
        return self.month_grain if is_month else self.day_grain


_WHAT: Final = (
    "provider", "model", "operation", "service_name", "environment", "agent_name", "workflow_name", "prompt_name",
    "prompt_version", "tenant",
)  # fmt: skip
_HOW: Final = ("cost_status", "usage_status")
#: The smaller ones first: a question is answered by the first that has all of its dimensions.
CUBES: Final = (
    Cube("models", ("provider", "model"), "day", "month", is_timed=True, has_properties=False, of="latency"),
    Cube("model_days", ("provider", "model"), "day", "day", is_timed=True, has_properties=False, of="latency"),
    Cube("latency", _WHAT, "day", "month", is_timed=True),
    Cube("people", ("user_id", *_HOW), "day", "month", has_properties=False, unpriced=("model",), of="users"),
    Cube("calls", (*_WHAT, "request_model", "response_model", "status", "error_type", *_HOW), "hour", "day"),
    Cube("users", ("user_id", "provider", "model", "environment", "tenant", *_HOW), "day", "month"),
)
#: No cube of calls but what the times of a trace are, in files of dates alone: those of months would be as large again.
TRACES: Final = Cube("traces", ("trace_id",), "day", "", has_properties=False)
#: Rows that were made by other definitions than these are made again.
_MEANING: Final = (1, CUBES, TRACES, GROWTH, [(column.name, column.type) for column in TABLES[TABLE]])
VERSION: Final = hashlib.blake2b(repr(_MEANING).encode(), digest_size=4).hexdigest()


def cubes_with(columns: Collection[str], *, is_timed: bool) -> list[Cube]:
    """The cubes that tell these columns of `llm_calls` apart, the smallest first; `properties.KEY` is a property."""
    return [cube for cube in CUBES if cube.is_timed == is_timed and all(_has(cube, name) for name in columns)]


def _has(cube: Cube, name: str) -> bool:
    return name in cube.dimensions or (cube.has_properties and name.startswith(PROPERTY))


def all_dimensions(*, is_timed: bool) -> set[str]:
    """Every column by which some cube tells calls apart."""
    return {name for cube in CUBES if cube.is_timed == is_timed for name in cube.dimensions}

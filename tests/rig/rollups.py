"""Calls that are added up now, as if all dates were over."""

from __future__ import annotations

import math
from pathlib import Path

from otel_llm_collector.lake.compact import STEM, Compactor
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.lake.replaced import Replacing
from otel_llm_collector.rollup.cubes import TABLE
from otel_llm_collector.rollup.keeper import Keeper
from otel_llm_collector.rollup.origin import Origin, origins

ID = "0123456789abcdef"


def keeper(data: Path, keys: tuple[str, ...] | None = ("team",), now_s: float = math.inf) -> Keeper:
    return Keeper(data, Replacing(LakeTable(data, TABLE)), f"{STEM}-{ID}", keys=keys, clock=lambda: now_s)


def add_up(data: Path, keys: tuple[str, ...] | None = ("team",), now_s: float = math.inf) -> None:
    """Merge the files of spans, and add their calls up, until nothing is left to do."""
    compactor = Compactor(Replacing(LakeTable(data, "spans")), ID, lambda: now_s)
    keeping = keeper(data, keys, now_s)
    while compactor.step() or keeping.step():
        pass


def kept(data: Path) -> dict[str, Origin]:
    """What the live files of roll-ups were made of, by path."""
    return origins(LakeTable(data, TABLE).least("made_of"))

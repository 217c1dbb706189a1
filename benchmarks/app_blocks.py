"""Measuring variants of a call against each other in one process: short blocks, in random order, paired by round.

Needs OpenTelemetry alone, so that it also runs in the environments of `peers.py`.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

SLICES: Final = 5  # of a block
#: Replacing a method of a class undoes what CPython has specialised; after some 60 runs of a line it is done again.
WARMING_CALLS: Final = 80
CALIBRATION_NS: Final = 20_000_000

Call = Callable[[], object]


class Cost(NamedTuple):
    """CPU nanoseconds of one call: of the whole process, and of the thread that called."""

    process: float
    caller: float


#: Variant -> what a call cost, round by round.
Costs = Mapping[str, Sequence[Cost]]


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to make the call, and a brief form of it that runs the same lines, to warm up.

    `switched_on` holds while its blocks run; `settle` waits for threads it started.
    """

    call: Call
    brief: Call
    switched_on: Callable[[], AbstractContextManager[object]] = nullcontext
    settle: Callable[[], object] = lambda: None


class Sink(SpanExporter):
    """Takes every span and does nothing, unless `kept` is a list to put them in."""

    def __init__(self) -> None:
        self.kept: list[ReadableSpan] | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.kept is not None:
            self.kept.extend(spans)
        return SpanExportResult.SUCCESS

    def spans_of(self, variant: Variant) -> list[ReadableSpan]:
        """The spans of one call of a variant."""
        found: list[ReadableSpan] = []
        self.kept = found
        with variant.switched_on():
            variant.call()
            variant.settle()
        self.kept = None
        return found


def sink_and_provider() -> tuple[Sink, TracerProvider]:
    """A provider that hands every span to a sink, at once."""
    sink, provider = Sink(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(sink))
    return sink, provider


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure: rounds, blocks of each variant in a round, CPU time of a block."""

    rounds: int
    blocks: int
    block_ms: float


def measure(variants: Mapping[str, Variant], plan: Plan, rng: random.Random) -> dict[str, list[Cost]]:
    """What a call costs in each variant: one figure a round, the median of its blocks. Garbage waits meanwhile."""
    found: dict[str, list[Cost]] = {name: [] for name in variants}
    calls = {name: _calls_a_slice(variant, plan.block_ms) for name, variant in variants.items()}
    gc.collect()
    gc.freeze()
    gc.disable()
    for _ in range(plan.rounds):
        order = list(variants) * plan.blocks
        rng.shuffle(order)
        blocks: dict[str, list[Cost]] = {name: [] for name in variants}
        for name in order:
            blocks[name].append(_run_block(variants[name], calls[name]))
        for name, costs in blocks.items():
            found[name].append(Cost(*(statistics.median(figures) for figures in zip(*costs, strict=True))))
    gc.enable()
    gc.unfreeze()
    return found


def _run_block(variant: Variant, calls: int) -> Cost:
    """The best slice of a block: other processes on the same core can only slow a slice down."""
    with variant.switched_on():
        for _ in range(WARMING_CALLS):
            variant.brief()
        variant.call()
        variant.settle()
        gc.collect()
        slices = [_run_slice(variant, calls) for _ in range(SLICES)]
    return Cost(*(min(figures) for figures in zip(*slices, strict=True)))


def _run_slice(variant: Variant, calls: int) -> Cost:
    """The process's share ends when its threads are done; what asking them costs, nothing left to do, is taken off."""
    call, settle = variant.call, variant.settle
    process, caller = time.process_time_ns(), time.thread_time_ns()
    for _ in range(calls):
        call()
    caller = time.thread_time_ns() - caller
    settle()
    done = time.process_time_ns()
    settle()
    asking = time.process_time_ns() - done
    return Cost((done - process - asking) / calls, caller / calls)


def _calls_a_slice(variant: Variant, block_ms: float) -> int:
    calls, start = 0, time.process_time_ns()
    with variant.switched_on():
        while (spent := time.process_time_ns() - start) < CALIBRATION_NS or not calls:
            variant.call()
            calls += 1
    return max(1, int(block_ms / SLICES * 1e6 * calls / spent))


class Added(NamedTuple):
    """What one variant adds to another: medians over the rounds, and the quartiles of the ratio to a yardstick."""

    us: float
    ratio: float
    low: float
    high: float
    caller_ratio: float


def added(costs: Costs, pair: tuple[str, str], yardstick: tuple[str, str]) -> Added:
    """Each pair is (variant, what it is made from), compared round by round; the ratio is that of the medians."""
    ours, theirs = _differences(costs, pair), _differences(costs, yardstick)
    low, _, high = statistics.quantiles([x.process / y.process for x, y in zip(ours, theirs, strict=True)], n=4)
    ours_median, theirs_median = _median(ours), _median(theirs)
    return Added(
        ours_median.process / 1e3,
        ours_median.process / theirs_median.process,
        low,
        high,
        ours_median.caller / theirs_median.caller,
    )


def cost_us(costs: Sequence[Cost]) -> float:
    """The median CPU of a call, of the whole process."""
    return _median(costs).process / 1e3


def _differences(costs: Costs, pair: tuple[str, str]) -> list[Cost]:
    found = zip(costs[pair[0]], costs[pair[1]], strict=True)
    return [Cost(one.process - base.process, one.caller - base.caller) for one, base in found]


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(figures) for figures in zip(*costs, strict=True)))

"""Changed trace requests through what the receiver checks and the converter reads: the reference's rows, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rig.read_rows import BY_COLUMNS, ONE_BY_ONE, rows_of

from otel_llm_collector import journal
from otel_llm_collector.receiver.refusals import RefusedError
from otel_llm_collector.receiver.soundness import Accepted, check, check_by_parsing
from otel_llm_collector.signals import SIGNALS, Signal
from otel_llm_semconv.pricing.contracts import Contracts

from .mutations import Mutator, good_traces

TRACES: Final = SIGNALS[journal.TRACES]
_BATCH: Final = 400
_CONTRACTS: Final = Contracts()


class DifferenceError(AssertionError):
    """A request whose rows are not those of the reference; it is kept in a file."""


def run(requests: int, seed: int, folder: Path) -> tuple[int, int]:
    """Try so many requests. Answers how many were taken, and how many were refused."""
    taken = 0
    for batch in _batches(requests, seed):
        taken += len(batch)
        compare(batch, folder)
    return taken, requests - taken


def sound(payload: bytes) -> bytes:
    """What the receiver would store of a request; nothing where it refuses it. Natively or not is the same."""
    kept = _kept(check, payload)
    assert kept == _kept(check_by_parsing, payload), f"judged otherwise natively: {payload.hex()}"
    return kept


def _kept(judge: Callable[[Signal, bytes], tuple[bytes, Accepted]], payload: bytes) -> bytes:
    try:
        return judge(TRACES, payload)[0]
    except RefusedError:
        return b""


def compare(payloads: list[bytes], folder: Path) -> None:
    """Raises DifferenceError for the first of them that is not read as the reference reads it."""
    if _is_same(payloads):
        return
    while len(payloads) > 1:
        half = payloads[: len(payloads) // 2]
        payloads = payloads[len(half) :] if _is_same(half) else half
    path = folder / "different.bin"
    path.write_bytes(payloads[0])
    raise DifferenceError(f"rows differ from the reference's: {path}")


def _is_same(payloads: list[bytes]) -> bool:
    return rows_of(payloads, _CONTRACTS, BY_COLUMNS) == rows_of(payloads, _CONTRACTS, ONE_BY_ONE)


def _batches(requests: int, seed: int) -> Iterator[list[bytes]]:
    mutator, good = Mutator(seed), good_traces()
    for first in range(0, requests, _BATCH):
        changed = (sound(mutator.choose(good)) for _ in range(min(_BATCH, requests - first)))
        yield [payload for payload in changed if payload]

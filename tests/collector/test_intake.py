"""The receiver's intake: what is heavy is refused, what fails is said, and nothing hangs."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric
from rig import otlp

from otel_llm_collector import journal
from otel_llm_collector.config_file import Configured
from otel_llm_collector.receiver import intake
from otel_llm_collector.receiver.intake import Intake
from otel_llm_collector.receiver.refusals import BadDataError, BusyError, TooLargeError
from otel_llm_collector.receiver.room import Room
from otel_llm_collector.receiver.soundness import Accepted, check
from otel_llm_collector.receiver.telemetry import Telemetry
from otel_llm_collector.receiver.weight import check_weight
from otel_llm_collector.signals import SIGNALS

MEMORY = 64 * 1024 * 1024
TRACES = SIGNALS[journal.TRACES]


def make_intake(data: Path) -> Intake:
    return Intake(journal.Writer(data), Room(data, Configured({}, {}, None).config), Telemetry(data), MEMORY)


BODY = otlp.request(otlp.span(otlp.chat())).SerializeToString()


def test_a_metric_without_points_is_kept_and_counts_as_no_row() -> None:
    metrics = SIGNALS[journal.METRICS]
    payload = otlp.metrics(Metric(name="empty", gauge=Gauge())).SerializeToString()
    assert check(metrics, payload) == (payload, Accepted(0))
    with pytest.raises(BadDataError, match="1 of 1 data points"):
        check(metrics, otlp.metrics(Metric(gauge=Gauge())).SerializeToString())


def test_a_disk_that_cannot_close_segments_refuses_nobody_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a segment fails twice; what is acknowledged meanwhile reaches closed segments all the same."""
    monkeypatch.setattr(intake, "SEGMENT_AGE_S_MAX", 0.02)
    monkeypatch.setattr(intake, "RETRY_AFTER_S", 0.02)
    failures = iter([OSError(5, "Input/output error")] * 2)
    sync = journal.sync_folder

    def flaky(folder: Path) -> None:
        error = next(failures, None) if any(folder.glob("*.seg")) else None
        if error:
            raise error
        sync(folder)

    async def main() -> int:
        store = make_intake(tmp_path)
        monkeypatch.setattr(journal, "sync_folder", flaky)
        stored = 0
        for _ in range(20):
            try:
                await asyncio.wait_for(store.store(TRACES, BODY), 5)
                stored += 1
            except BusyError:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
        await store.close()
        return stored

    stored = asyncio.run(main())
    assert stored >= 15
    segments = journal.closed_segments(journal.journal_dir(tmp_path))
    assert sum(len(list(journal.read_frames(segment.path))) for segment in segments) >= stored
    assert not journal.open_segments(journal.journal_dir(tmp_path))


def test_any_fault_of_the_writer_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        store = make_intake(tmp_path)
        with monkeypatch.context() as patched:
            patched.setattr(journal.Writer, "append", lambda *_: 1 / 0)
            with pytest.raises(BusyError, match="nothing was stored"):
                await asyncio.wait_for(store.store(TRACES, BODY), 5)
        await asyncio.wait_for(store.store(TRACES, BODY), 5)
        await store.close()

    asyncio.run(main())


def test_memory_is_given_back(tmp_path: Path) -> None:
    async def main() -> None:
        store = make_intake(tmp_path)
        store.budget.take(10)
        with pytest.raises(BusyError):
            store.budget.take(MEMORY)
        store.budget.give(10)
        store.budget.take(MEMORY)
        await store.close()

    asyncio.run(main())


def test_many_bad_spans_among_good_ones_cost_no_time() -> None:
    good, bad = otlp.span(otlp.chat()), otlp.span(span_id=b"\0" * 8)
    body = otlp.request(*[good, bad] * 20_000).SerializeToString()
    began = time.process_time()
    kept, accepted = check(TRACES, body)
    assert accepted.rejected == 20_000
    assert len(check(TRACES, kept)[0]) == len(kept)
    assert time.process_time() - began < 5, "deleting one by one took minutes"


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a\xff\xff\xff\x7f" + (b"\x12\xfb\xff\xff\x7f" + b"\x12\x00" * 500),
        b"\x0a\xc8\x01\x12\xc5\x01\x12\xc2\x01" + b"\x4a\x00" * 97,
    ],
    ids=["cut", "attributes"],
)
def test_weighing_leaves_what_is_no_protobuf_to_the_parser(body: bytes) -> None:
    check_weight(body, journal.TRACES, 1000)


def test_a_body_of_tiny_fields_is_too_large() -> None:
    def field(number: int, content: bytes) -> bytes:
        size, head = len(content), bytearray([number << 3 | 2])
        while size > 127:
            head.append(size & 127 | 128)
            size >>= 7
        return bytes(head) + bytes([size]) + content

    def request(span: bytes) -> bytes:
        return field(1, field(2, field(2, span)))

    spans = field(1, field(2, field(2, b"") * 2000))
    attributes = request(field(9, b"") * 2000)
    nested = request(field(9, field(2, field(5, field(1, b"") * 2000))))
    pairs = request(field(9, field(2, field(6, field(1, b"") * 2000))))
    for body in (spans, attributes, nested, pairs):
        with pytest.raises(TooLargeError):
            check_weight(body, journal.TRACES, 1000)
        check_weight(body, journal.TRACES, 10_000)
    check_weight(BODY, journal.TRACES, 200)
    with pytest.raises(BadDataError):
        check(TRACES, spans)


def test_small_requests_of_many_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake.Pace, "is_slow", lambda _: True)

    async def main() -> None:
        store = make_intake(tmp_path)
        groups: list[int] = []
        append = store._writer.append
        store._writer.append = lambda frames: (groups.append(len(frames)), append(frames))[1]  # type: ignore[method-assign]

        async def send(times: int) -> None:
            for _ in range(times):
                await store.store(TRACES, BODY)
                await asyncio.sleep(0.0005)

        await asyncio.gather(*(send(20) for _ in range(40)))
        await send(3)
        await store.close()
        assert sum(groups) == 40 * 20 + 3
        assert len(groups) < 40 * 20 / 8

    asyncio.run(main())
    frames = [f for s in journal.closed_segments(journal.journal_dir(tmp_path)) for f in journal.read_frames(s.path)]
    assert len(frames) == 40 * 20 + 3


@pytest.mark.parametrize(
    ("is_slow", "bodies", "waits"),
    [(False, [10], False), (True, [10] * 20, False), (True, [100_000], False), (True, [10], True)],
    ids=["we are quick", "enough", "large", "few of many"],
)
def test_only_small_requests_of_many_wait_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_slow: bool, bodies: list[int], waits: bool
) -> None:
    monkeypatch.setattr(intake, "_GATHER_STEP_S", 0.2)
    monkeypatch.setattr(intake.Pace, "is_slow", lambda _: is_slow)

    async def main() -> bool:
        store = make_intake(tmp_path)
        done = asyncio.get_running_loop().create_future()
        store._waiting = [intake._Waiting(b"", bytes(size), done) for size in bodies]
        gathering = asyncio.create_task(store._gather())
        await asyncio.sleep(0.05)
        has_waited = not gathering.done()
        await gathering  # it ends where nothing more comes
        store._waiting = []
        await store.close()
        return has_waited

    assert asyncio.run(main()) is waits


@pytest.mark.parametrize(("busy_s", "requests", "is_slow"), [(0.09, 12, True), (0.08, 12, False), (0.1, 11, False)])
def test_we_are_slow_where_we_are_busy_and_many_are_here(
    monkeypatch: pytest.MonkeyPatch, busy_s: float, requests: int, is_slow: bool
) -> None:
    now, used = [100.0], [5.0]
    monkeypatch.setattr(intake.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(intake.time, "process_time", lambda: used[0])
    pace = intake.Pace()
    for _ in range(requests):
        pace.come()
    for _ in range(requests):
        pace.go()
    assert not pace.is_slow(), "nothing is known yet"
    now[0] += 0.1
    used[0] += busy_s
    assert pace.is_slow() is is_slow
    now[0] += 0.1
    assert not pace.is_slow(), "nobody came since"

"""`--forward`: other receivers see what was sent, as they are to see it, and never slow the first."""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import pytest
import urllib3
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from rig import otlp
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm.errors import UsageError
from otel_llm_collector import journal
from otel_llm_collector.archive import Archive
from otel_llm_collector.config_file import Configured
from otel_llm_collector.forward import Destination, check_url, read_states
from otel_llm_collector.forward.filters import filter_of
from otel_llm_collector.forward.forwarder import Forwarder
from otel_llm_collector.forward.queue import Queue, first_waiting
from otel_llm_collector.signals import SIGNALS
from otel_llm_semconv import attributes as a
from otel_llm_semconv.pricing.contracts import Contracts

ANYWHERE = "http://127.0.0.1:1"


class Receiver(ThreadingHTTPServer):
    """An OTLP/HTTP receiver that answers as it is told; `got` holds (path, headers, body) of what it took."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for _, _, body in self.got]
        return [s for r in requests for group in r.resource_spans for scope in group.scope_spans for s in scope.spans]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked += 1
        status, headers, answer = self.server.answers.pop(0) if self.server.answers else (200, {}, b"")
        if status == 200:
            self.server.got.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(status)
        for name, value in {"content-length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def target() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


@contextlib.contextmanager
def forwarding(data: Path, destination: Destination) -> Iterator[Forwarder]:
    forwarder = Forwarder(data, destination, Contracts())
    forwarder.start()
    try:
        yield forwarder
    finally:
        forwarder.stop()


class Source:
    """A journal to write to."""

    def __init__(self, data: Path) -> None:
        self._writer = journal.Writer(data)

    def put(self, *payloads: bytes, kind: int = journal.TRACES) -> None:
        """A segment with these requests."""
        self._writer.append([(journal.frame_header(kind, 1, payload), payload) for payload in payloads])
        self._writer.rotate()


def one(name: str = "chat", **options: Any) -> bytes:
    return otlp.request(otlp.span(otlp.chat(), name=name), **options).SerializeToString()


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_the_same_trace_reaches_a_second_receiver(tmp_path: Path, scheme: str) -> None:
    with collector(tmp_path / "second") as second:
        url = f"{scheme}://{second.http if scheme == 'http' else second.grpc}"
        with collector(tmp_path / "first", "--forward", url) as first:
            spans = [otlp.span(otlp.chat(), trace_id=b"\x07" * 16) for _ in range(10)]
            assert otlp.post(first.traces_url, otlp.request(*spans).SerializeToString()).status == 200
            columns = "* EXCLUDE (collector_id, segment)"
            ours = wait_for(lambda: otlp.rows(first.data, f"SELECT {columns} FROM t ORDER BY span_id"))
            theirs = wait_for(lambda: otlp.rows(second.data, f"SELECT {columns} FROM t ORDER BY span_id"))
            (state,) = wait_for(lambda: [s for s in read_states(first.data) if s.sent])
    assert len(ours) == 10
    assert ours == theirs
    assert (state.url, state.sent, state.rejected, state.dropped, state.behind_bytes) == (url, 1, 0, 0, 0)


def test_a_dead_target_delays_nothing_and_gets_all_once_it_lives(tmp_path: Path) -> None:
    with collector(tmp_path / "second") as second:
        address = second.http
        assert second.stop() == 0
    with collector(tmp_path / "first", "--forward", f"http://{address}") as first:
        for index in range(5):
            assert otlp.post(first.traces_url, one(f"call {index}")).status == 200
        wait_for(lambda: len(otlp.rows(first.data, "FROM t")) == 5)
        wait_for(lambda: "waits" in first.stderr)
        with collector(tmp_path / "second", "--http", address) as second:
            wait_for(lambda: len(otlp.rows(second.data, "FROM t")) == 5)


def test_a_restarted_forwarder_goes_on_where_it_was(tmp_path: Path) -> None:
    with collector(tmp_path / "second") as second:
        for name in ("before", "after"):
            with collector(tmp_path / "first", "--forward", f"http://{second.http}") as first:
                assert otlp.post(first.traces_url, one(name)).status == 200
                assert first.stop() == 0
        wait_for(lambda: len(otlp.rows(second.data, "FROM t")) == 2)


def test_one_dead_target_does_not_hold_up_another(tmp_path: Path, target: Receiver) -> None:
    with collector(tmp_path / "data", "--forward", ANYWHERE, "--forward", target.url) as process:
        assert otlp.post(process.traces_url, one()).status == 200
        wait_for(lambda: len(target.spans()) == 1)


def test_a_span_of_others_is_handed_on_with_its_cost(tmp_path: Path, target: Receiver) -> None:
    told = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o-mini",
        "llm.provider": "openai",
        "llm.token_count.prompt": 500,
        "llm.token_count.completion": 300,
    }
    with collector(tmp_path / "data", "--forward-enriched", target.url) as process:
        request = otlp.request(otlp.span(told), scope="openinference.instrumentation.openai")
        assert otlp.post(process.traces_url, request.SerializeToString()).status == 200
        (span,) = wait_for(target.spans)
    found = {pair.key: pair.value for pair in span.attributes}
    assert found[a.USAGE_INPUT_TOKENS].int_value == 500
    assert found[a.USAGE_OUTPUT_TOKENS].int_value == 300
    assert found[a.OPERATION].string_value == "chat"
    assert found[a.REQUEST_MODEL].string_value == "gpt-4o-mini"
    assert found[a.COST_AMOUNT].double_value == 0.000255
    assert found[a.COST_CURRENCY].string_value == "USD"
    assert {name for name in told if name not in found} == set()


def test_a_collector_does_not_forward_to_itself(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for host in ("localhost", "0.0.0.0"):
        with pytest.raises(AssertionError, match="this collector itself"):
            CollectorProcess(tmp_path / "data", "--forward", f"http://{host}:{port}", http=f"127.0.0.1:{port}")


def test_every_signal_goes_to_its_own_path_with_the_headers(tmp_path: Path, target: Receiver) -> None:
    source = Source(tmp_path)
    with forwarding(tmp_path, Destination(target.url + "/otlp/", headers={"authorization": "Bearer s3cret"})):
        for kind in (journal.TRACES, journal.LOGS, journal.METRICS):
            source.put(b"", kind=kind)
            source.put(ExportLogsServiceRequest().SerializeToString() or b"\n\0", kind=kind)
        wait_for(lambda: len(target.got) == 3)
    assert [path for path, _, _ in target.got] == ["/otlp/v1/traces", "/otlp/v1/logs", "/otlp/v1/metrics"]
    assert {headers["authorization"] for _, headers, _ in target.got} == {"Bearer s3cret"}


def test_requests_that_wait_together_go_together(tmp_path: Path, target: Receiver) -> None:
    source = Source(tmp_path)
    Queue(tmp_path, Destination(target.url).id, 1 << 30)
    source.put(*(one(f"call {index}") for index in range(20)))
    with forwarding(tmp_path, Destination(target.url)) as forwarder:
        wait_for(lambda: len(target.spans()) == 20)
        wait_for(lambda: forwarder.state.sent == 20)
    assert target.asked == 1


def test_what_a_target_refuses_is_left_out_alone(tmp_path: Path, target: Receiver) -> None:
    source = Source(tmp_path)
    Queue(tmp_path, Destination(target.url).id, 1 << 30)
    source.put(one("good"), one("bad"), one("good as well"))
    target.answers = [(400, {}, b""), (200, {}, b""), (400, {}, b"")]
    with forwarding(tmp_path, Destination(target.url)) as forwarder:
        wait_for(lambda: forwarder.state.sent == 2)
        assert forwarder.state.rejected == 1
    assert [span.name for span in target.spans()] == ["good", "good as well"]


def test_spans_that_a_target_rejects_are_counted_and_not_sent_again(tmp_path: Path, target: Receiver) -> None:
    source, answer = Source(tmp_path), ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 3
    target.answers = [(200, {}, answer.SerializeToString())]
    with forwarding(tmp_path, Destination(target.url)) as forwarder:
        source.put(one())
        wait_for(lambda: forwarder.state.items_rejected == 3)
    assert (target.asked, forwarder.state.sent) == (1, 1)


@pytest.mark.parametrize("path", ["/otlp", "/otlp/", "/otlp/v1/traces"])
def test_what_else_a_url_holds_goes_where_it_belongs(tmp_path: Path, target: Receiver, path: str) -> None:
    source, url = Source(tmp_path), target.url.replace("//", "//me:p%40ss@")
    with forwarding(tmp_path, Destination(f"{url}{path}?key=1#a")):
        source.put(one())
        ((path, headers, _),) = wait_for(lambda: target.got)
    assert path == "/otlp/v1/traces?key=1"
    assert headers["authorization"] == "Basic bWU6cEBzcw=="
    assert headers["host"] == target.url.removeprefix("http://")


def test_an_answer_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    source, head = Source(tmp_path), b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n"

    def answer() -> None:
        client, _ = endless.accept()
        with client, contextlib.suppress(OSError):
            client.sendall(head)
            while True:
                client.sendall(b"x" * 65_536)

    with socket.create_server(("127.0.0.1", 0)) as endless:
        thread = threading.Thread(target=answer)
        thread.start()
        with forwarding(tmp_path, Destination(f"http://127.0.0.1:{endless.getsockname()[1]}")) as forwarder:
            source.put(one())
            wait_for(lambda: forwarder.state.sent == 1)
            thread.join(20)
    assert not thread.is_alive()


def test_a_refusal_over_grpc_whose_details_are_garbled_is_one_all_the_same(tmp_path: Path) -> None:
    source = Source(tmp_path)

    def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff"),))
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")

    server = grpc.server(ThreadPoolExecutor(1))
    service, method = SIGNALS[journal.TRACES].method.lstrip("/").split("/")
    handler = grpc.method_handlers_generic_handler(service, {method: grpc.unary_unary_rpc_method_handler(refuse)})
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with forwarding(tmp_path, Destination(f"grpc://127.0.0.1:{port}")) as forwarder:
            source.put(one())
            wait_for(lambda: forwarder.state.rejected == 1)
    finally:
        server.stop(None).wait()


def test_headers_go_before_the_user_of_a_url() -> None:
    destination = Destination("grpc://me:pass@h:1?x=1", headers={"Authorization": "Bearer x"})
    assert destination.sent_headers == {"authorization": "Bearer x"}
    assert destination.address == "h:1"


def test_targets_of_one_url_are_told_apart(tmp_path: Path, target: Receiver) -> None:
    with pytest.raises(UsageError, match=f"{target.url} twice: tell them apart, as {target.url}#a"):
        Configured({"forward": [target.url], "forward_enriched": [f"{target.url}?key=1"]}, {}, None)
    with collector(tmp_path / "data", "--forward", f"{target.url}#a", "--forward", f"{target.url}#b") as process:
        assert otlp.post(process.traces_url, one()).status == 200
        wait_for(lambda: len(target.spans()) == 2)
        wait_for(lambda: [state.sent for state in read_states(process.data)] == [1, 1])
        told = urllib3.request("GET", f"http://{process.http}/metrics").data.decode()
    assert all(f'forward_sent_total{{target="{target.url}#{name}"}} 1.0' in told for name in "ab")


def test_a_fault_holds_a_target_up_for_a_while_alone(
    tmp_path: Path, target: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, say. Its thread goes on, and nothing of what waits is lost."""
    source, next_number = Source(tmp_path), journal.next_number
    failing = iter([OSError(28, "No space left on device"), RuntimeError("a fault")])

    def read(data: Path) -> int:
        if (error := next(failing, None)) is not None:
            raise error
        return next_number(data)

    Queue(tmp_path, Destination(target.url).id, 1 << 30)
    monkeypatch.setattr(journal, "next_number", read)
    with forwarding(tmp_path, Destination(target.url)) as forwarder:
        source.put(one())
        wait_for(lambda: forwarder.state.sent == 1)
    assert forwarder.state.failures == 2


def test_a_place_that_cannot_be_written_down_stops_nobody(
    tmp_path: Path, target: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    source = Source(tmp_path)
    source.put(one("before"))
    Queue(tmp_path, "x", 1 << 30)
    monkeypatch.setattr("otel_llm_collector.forward.queue.journal.replace_file", full)
    queue = Queue(tmp_path, "x", 1 << 30)
    assert [len(batch.frames) for batch in queue.batches()] == [1]
    assert queue.behind()[0] == 0
    assert Queue(tmp_path, "x", 1 << 30).behind()[0] > 0, "it goes on at the last place that is known"


def test_what_waits_for_a_target_stays_in_the_archive(tmp_path: Path) -> None:
    source, archive = Source(tmp_path), journal.archive_dir(tmp_path)
    queue, later = Queue(tmp_path, "x", 1 << 30), Queue(tmp_path, "y", 1 << 30)
    archive.mkdir()
    for _ in range(4):
        source.put(one())
    for segment in journal.closed_segments(journal.journal_dir(tmp_path)):
        segment.path.rename(archive / segment.path.name)
    kept = Archive(tmp_path, 0, 1, 30, lambda: first_waiting(tmp_path, ["x", "y", "never seen"]))

    def left() -> list[int]:
        kept.clean()
        return [segment.number for segment in journal.closed_segments(archive)]

    assert left() == [1, 2, 3, 4]
    for _ in zip(range(3), queue.batches(), strict=False):
        """Two are done with once the third is taken."""
    assert left() == [1, 2, 3, 4], "the other still waits for all"
    assert list(later.batches())
    assert left() == [3, 4]
    assert first_waiting(tmp_path, []) == math.inf


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_target_that_wants_another_key_gets_all_once_sighup_tells_it(tmp_path: Path, scheme: str) -> None:
    guarded, config = tmp_path / "guarded.toml", tmp_path / "c.toml"
    guarded.write_text('[tokens]\nnorth = "new"\n')
    with collector(tmp_path / "second", "--config", str(guarded)) as second:
        url = f"{scheme}://{second.http if scheme == 'http' else second.grpc}"
        told = f'[[forward]]\nurl = "{url}"\nheaders = {{authorization = "Bearer %s"}}\n'
        config.write_text(told % "old")
        with collector(tmp_path / "first", "--config", str(config)) as first:
            assert otlp.post(first.traces_url, one()).status == 200
            wait_for(lambda: "waits" in first.stderr)
            config.write_text(told % "new")
            first.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(otlp.rows(second.data, "FROM t")) == 1)


@pytest.mark.parametrize("status", [401, 403, 429, 502, 503, 504])
def test_what_a_target_does_not_take_now_it_gets_later(tmp_path: Path, target: Receiver, status: int) -> None:
    source = Source(tmp_path)
    target.answers = [(status, {"retry-after": "0"}, b""), (status, {}, b"")]
    with forwarding(tmp_path, Destination(target.url)) as forwarder:
        source.put(one())
        wait_for(lambda: forwarder.state.sent == 1)
    assert (target.asked, forwarder.state.failures, len(target.spans())) == (3, 2, 1)


def test_more_than_a_queue_takes_is_dropped_from_its_old_end_and_counted(tmp_path: Path) -> None:
    source = Source(tmp_path)
    queue = Queue(tmp_path, "x", bytes_max=1600)
    for index in range(10):
        source.put(one(f"call {index}"), one(f"call {index}"))
    before, _ = queue.behind()
    queue.drop_excess()
    after, lag_s = queue.behind()
    assert before > 1600 >= after > 0
    assert lag_s >= 0
    for segment in journal.closed_segments(journal.journal_dir(tmp_path)):
        os.utime(segment.path, (time.time() + 9999,) * 2)  # the clock was set back
    assert queue.behind()[1] == 0
    left = list(queue.batches())
    assert queue.dropped + sum(len(batch.frames) for batch in left) == 20
    assert b"call 9" in left[-1].frames[-1].payload
    assert Queue(tmp_path, "x", bytes_max=1600).behind()[0] == 0


def test_a_segment_that_moves_while_it_is_looked_for_is_not_passed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(tmp_path)
    queue = Queue(tmp_path, "x", 1 << 30)
    archive = journal.archive_dir(tmp_path)
    archive.mkdir()
    exists = Path.exists

    def moving(path: Path) -> bool:
        """The converter archives a segment right after it was looked for in the journal."""
        found = exists(path)
        if path.parent.name == "journal" and path.suffix == ".seg" and found:
            path.rename(archive / path.name)
            return False
        return found

    payloads = [b"1", b"2", b"3"]
    for payload in payloads:
        source.put(payload)
    monkeypatch.setattr(Path, "exists", moving)
    assert [frame.payload for batch in queue.batches() for frame in batch.frames] == payloads


def filtered(payload: bytes, kind: int = journal.TRACES, **options: bool) -> bytes | None:
    return filter_of(Destination(ANYWHERE, **options), Contracts())(kind, payload, 1_750_000_000_000_000_000)


def names(payload: bytes | None) -> list[str]:
    request = ExportTraceServiceRequest.FromString(payload or b"")
    return [s.name for group in request.resource_spans for scope in group.scope_spans for s in scope.spans]


def test_without_a_filter_the_bytes_are_the_same() -> None:
    assert filtered(b"\xff not protobuf") == b"\xff not protobuf"


def test_only_spans_of_models_are_handed_on() -> None:
    plain = otlp.span({"http.request.method": "GET"}, name="GET")
    mixed = otlp.request(plain, otlp.span(otlp.chat(), name="a"), plain, otlp.span(otlp.chat(), name="b"))
    mixed.MergeFrom(otlp.request(plain, service="web"))
    assert names(filtered(mixed.SerializeToString(), only_llm=True)) == ["a", "b"]
    kept = ExportTraceServiceRequest.FromString(filtered(mixed.SerializeToString(), only_llm=True) or b"")
    assert len(kept.resource_spans) == 1
    assert filtered(otlp.request(plain).SerializeToString(), only_llm=True) is None


def test_a_span_without_content_says_nothing_that_was_said() -> None:
    said = {
        a.INPUT_MESSAGES: "secret 1",
        a.OUTPUT_MESSAGES: "secret 2",
        a.SYSTEM_INSTRUCTIONS: "secret 3",
        a.TOOL_DEFINITIONS: "secret 4",
        a.TOOL_CALL_ARGUMENTS: "secret 5",
        a.TOOL_CALL_RESULT: "secret 6",
    }
    ours = otlp.span({**otlp.chat(), **said})
    for event in ("gen_ai.user.message", "gen_ai.choice", "gen_ai.client.inference.operation.details"):
        ours.events.add(name=event).attributes.add(key="content", value=otlp.any_value("secret 7"))
    theirs = otlp.span(
        {
            "openinference.span.kind": "LLM",
            "input.value": "secret 8",
            "llm.input_messages.0.message.content": "secret 9",
            "llm.model_name": "gpt-4o-mini",
        }
    )
    request = otlp.request(ours)
    request.MergeFrom(otlp.request(theirs, scope="openinference.instrumentation.openai"))
    found = filtered(request.SerializeToString(), without_content=True) or b""
    assert b"secret" not in found
    assert len(names(found)) == 2
    assert b"gpt-4o-mini" in found
    enriched = filtered(request.SerializeToString(), without_content=True, enriched=True) or b""
    assert b"secret" not in enriched
    assert a.COST_STATUS.encode() in enriched


def test_records_are_filtered_as_spans_are() -> None:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    records.add(event_name="gen_ai.client.inference.operation.details").attributes.add(
        key=a.INPUT_MESSAGES, value=otlp.any_value("secret")
    )
    records.add().body.string_value = "GET / 200"
    both = request.SerializeToString()
    assert filtered(both, journal.LOGS) == both
    kept = ExportLogsServiceRequest.FromString(filtered(both, journal.LOGS, only_llm=True) or b"")
    assert [r.event_name for r in kept.resource_logs[0].scope_logs[0].log_records] == [records[0].event_name]
    assert b"secret" not in (filtered(both, journal.LOGS, without_content=True) or b"")
    assert filtered(b"any", journal.METRICS, only_llm=True, without_content=True) == b"any"


def test_what_is_put_right_stays_beside() -> None:
    """A count that leaves out what came from the cache is no count of the conventions."""
    told = {
        **otlp.chat(input_tokens=100),
        "gen_ai.provider.name": "anthropic",
        "gen_ai.usage.cache_read.input_tokens": 400,
    }
    request = otlp.request(otlp.span(told), scope="openlit.otel")
    found = ExportTraceServiceRequest.FromString(filtered(request.SerializeToString(), enriched=True) or b"")
    pairs = found.resource_spans[0].scope_spans[0].spans[0].attributes
    values = {pair.key: pair.value.int_value for pair in pairs}
    assert values[a.USAGE_INPUT_TOKENS] == 500
    assert values[a.SENT_PREFIX + a.USAGE_INPUT_TOKENS] == 100
    assert len(values) == len(pairs)


@pytest.mark.parametrize("url", ["http://h:99999", "http://[bad", "ftp://h:1", "http://", "h:4318", "http://h:0"])
def test_a_bad_target_is_one_line(url: str) -> None:
    with pytest.raises(UsageError, match="give http://HOST:PORT"):
        check_url(url)


@pytest.mark.parametrize("url", ["https://user:pass@h:1/x?key=pass#a", "https://pass@h:1/x?pass@h#a"])
def test_what_is_shown_of_a_destination_holds_no_secret(url: str) -> None:
    assert Destination(url).shown == "https://h:1/x#a"


@pytest.mark.parametrize("url", ["user:pass@h:4318", "ftp://pass@h:1/?key=pass", "//user:pass@h", "https://h:0?pass"])
def test_an_error_about_a_target_holds_no_secret(url: str) -> None:
    with pytest.raises(UsageError, match="h") as told:
        check_url(url)
    assert "pass" not in str(told.value)


@pytest.mark.parametrize(
    "options", [{"headers": {"a b": "c"}}, {"headers": {"a": "ü"}}, {"headers": {"a": "b\n"}}, {"queue_bytes_max": 0}]
)
def test_a_bad_option_is_one_line(options: Any) -> None:
    with pytest.raises(UsageError, match="forward to"):
        Destination(ANYWHERE, **options)

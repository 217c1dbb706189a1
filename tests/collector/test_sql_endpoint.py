"""`POST /v1/sql` of real collectors: what is answered, in which form, to whom, and what is refused or cut, and how."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shlex
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pyarrow as pa
import pytest
import urllib3
from rig import otlp
from rig.bucket import BUCKET, bucket
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm.errors import UsageError
from otel_llm_collector import journal
from otel_llm_collector.config_file import Configured
from otel_llm_collector.endpoint import app as endpoint
from otel_llm_collector.endpoint.app import Desk
from otel_llm_collector.endpoint.freshness import wait_until_converted
from otel_llm_collector.endpoint.request import read as read_request
from otel_llm_collector.endpoint.watch import EndedError, Watch
from otel_llm_collector.endpoint.wire import MORE_S, SIGN, Asked
from otel_llm_collector.options import Config
from otel_llm_collector.process import is_readable
from otel_llm_collector.query import Bounds, all_live_files, connect_to
from otel_llm_collector.receiver.access import Access
from otel_llm_collector.receiver.connection import Request
from otel_llm_collector.receiver.refusals import ForbiddenError
from otel_llm_collector.receiver.sql import SqlDoor
from otel_llm_collector.receiver.telemetry import Telemetry
from otel_llm_collector.receiver.turns import WAITING_MAX
from otel_llm_collector.supervisor import Answering
from otel_llm_collector.tally import read_tally

PAGE = "https://app.example.com"
ROWS_MAX = 20_000
#: Half of it is still more than the sockets between collector and client hold, 4 MiB each at most by default.
BYTES_MAX = 24_000_000
#: Nothing on a loaded machine takes so long.
LONG_S = "300"
#: As quick as all others: a loaded machine gives nothing to who stands back.
EAGER = ("--sql-seconds-max", LONG_S, "--sql-niceness", "0")
#: A function that takes minutes, and does not hear that it should end.
STUCK = "SELECT regexp_matches(repeat('a', 30_000_000), '(a?){500}(a?){500}b')"
ENDLESS = "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"


class Asker:
    """Asks one collector. `lag_ms` is what the last answer said."""

    def __init__(self, running: CollectorProcess) -> None:
        self.running = running
        self.data = running.data
        self.url = f"http://{running.http}/v1/sql"
        self._pool = urllib3.PoolManager(retries=False, timeout=120, maxsize=30)

    def post(self, body: Any, **headers: str) -> urllib3.BaseHTTPResponse:
        is_text = isinstance(body, str)
        sent = {"content-type": "text/plain" if is_text else "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self._pool.request("POST", self.url, body=body if is_text else json.dumps(body), headers=sent)

    def rows(self, body: Any, **headers: str) -> Any:
        answer = self.post(body, **headers)
        assert answer.status == 200, answer.data
        return answer.json()

    def error(self, body: Any, **headers: str) -> tuple[int, str, str]:
        """The status, the word and the line of an answer that is an error, as all of them are told."""
        answer = self.post(body, **headers)
        assert answer.status >= 400
        assert answer.headers["content-type"] == "application/json"
        said = answer.json()
        assert set(said) == {"error", "code"}
        assert "\n" not in said["error"]
        return answer.status, said["code"], said["error"]

    def send(self, *spans: Any, **headers: str) -> None:
        body = otlp.request(*spans).SerializeToString()
        assert otlp.post(self.running.traces_url, body, headers).status == 200

    def settle(self) -> None:
        """Wait until all that was sent can be asked for."""
        wait_for(lambda: self.post("SELECT 1").headers.get("otel-llm-lag-ms") == "0", 60)

    def asking(self, query: str) -> socket.socket:
        """A connection over which a query was sent, and nothing read yet."""
        host, _, port = self.running.http.rpartition(":")
        client = socket.create_connection((host, int(port)), timeout=60)
        client.sendall(b"POST /v1/sql HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % len(query))
        client.sendall(query.encode())
        return client

    def query_process(self) -> psutil.Process:
        name = "otel_llm_collector.endpoint.app"
        return wait_for(lambda: next((one for one in self.running.tree() if name in one.cmdline()), None), 60)

    def gauge(self, name: str) -> int:
        page = self._pool.request("GET", f"http://{self.running.http}/metrics").data.decode()
        line = next(line for line in page.splitlines() if line.startswith(f"otel_llm_collector_{name} "))
        return int(float(line.split()[1]))


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """A collector with three calls, whose answers are small."""
    options = ("--sql-rows-max", str(ROWS_MAX), "--sql-answer-bytes-max", str(BYTES_MAX), *EAGER)
    folder = tmp_path_factory.mktemp("asked")
    with collector(folder / "data", *options, "--cors-origins", PAGE) as running:
        found = Asker(running)
        assert found.error("FROM spans")[:2] == (404, "no_data")
        found.send(*(otlp.span(otlp.chat()) for _ in range(3)))
        found.settle()
        yield found


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """A collector that answers one query at a time, however long it takes, but for who does not read the answer."""
    folder = tmp_path_factory.mktemp("narrow")
    with collector(folder / "data", "--sql-queries-max", "1", "--sql-send-seconds-max", "1", *EAGER) as running:
        found = Asker(running)
        found.send(otlp.span(otlp.chat()))
        found.settle()
        yield found


def test_the_receiver_has_none_of_what_queries_need(asker: Asker) -> None:
    name = "otel_llm_collector.receiver.app"
    receiver = next(one for one in asker.running.tree() if name in one.cmdline())
    assert not [one.path for one in receiver.memory_maps() if "duckdb" in one.path or "pyarrow" in one.path]


def test_who_sends_and_then_asks_sees_what_was_sent(asker: Asker) -> None:
    for sent in range(1, 4):
        asker.send(otlp.span(name="just now"))
        answer = asker.post("SELECT count(*) AS n FROM spans WHERE name = 'just now'")
        if answer.headers["otel-llm-lag-ms"] == "0":
            assert answer.json() == [{"n": sent}]
        else:  # a machine that takes more than two seconds to convert one span
            assert answer.json()[0]["n"] <= sent
    asker.settle()
    assert asker.rows("SELECT count(*) AS n FROM spans WHERE name = 'just now'") == [{"n": 3}]


def test_a_query_waits_for_the_converter_so_long_and_no_longer(tmp_path: Path) -> None:
    writer = journal.Writer(tmp_path)
    assert wait_until_converted(tmp_path, lambda: None, wait_s=60) == 0
    received_ns = time.time_ns() - 5_000_000_000
    writer.append([(journal.frame_header(journal.TRACES, received_ns, b"x"), b"x")])
    assert wait_until_converted(tmp_path, lambda: None, wait_s=0.01) >= 5000
    writer.rotate()
    asked: list[int] = []

    def converted() -> None:
        asked.append(1)
        if len(asked) == 2:
            next(iter(journal.closed_segments(journal.journal_dir(tmp_path)))).path.unlink()

    assert wait_until_converted(tmp_path, converted, wait_s=60) == 0
    assert len(asked) == 2


def test_each_form_has_the_same_rows_and_exact_money(asker: Asker) -> None:
    query = "SELECT model, cost_usd, input_tokens, properties FROM llm_calls"
    cost = "0.000270000000"
    in_json = asker.rows(query)
    assert (
        in_json == [{"model": "gpt-4o-mini-2024-07-18", "cost_usd": cost, "input_tokens": 1000, "properties": {}}] * 3
    )
    in_csv = asker.post(query, accept="text/html;q=0.1, text/csv")
    assert in_csv.headers["content-type"] == "text/csv"
    assert [row["cost_usd"] for row in csv.DictReader(io.StringIO(in_csv.data.decode()))] == [cost] * 3
    in_arrow = asker.post({"query": query, "format": "arrow"}, accept="application/json")
    table = pa.ipc.open_stream(in_arrow.data).read_all()
    assert table.schema.field("cost_usd").type == pa.decimal128(18, 12)
    assert [str(row["cost_usd"]) for row in table.to_pylist()] == [cost] * 3
    assert asker.post("SELECT 1 AS a, 2 AS a", content_type="application/sql").json() == [{"a": 1, "a_2": 2}]
    assert asker.error(query, accept="image/png")[0] == 400


def test_questions_are_asked_by_name(asker: Asker) -> None:
    asked = {"question": "cost", "arguments": {"where": "provider = 'openai'", "exact": True, "limit": 1}}
    rows = asker.rows(asked)
    assert [(row["model"], row["calls"], row["cost_usd"]) for row in rows] == [
        ("gpt-4o-mini-2024-07-18", 3, "0.000810000000")
    ]
    stolen = asked | {"arguments": {"where": "EXISTS (FROM read_text('/etc/passwd'))"}}
    assert asker.error(stolen)[:2] == (400, "wrong_query")
    assert "There are: " in asker.error({"question": "costs"})[2]


def test_every_line_of_the_page_runs(asker: Asker) -> None:
    page = (Path(__file__).parents[2] / "docs/sql.md").read_text()
    (block,) = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for line in block.splitlines():
        command, url, *options = shlex.split(line)
        assert (command, url) == ("curl", "http://127.0.0.1:4318/v1/sql")
        pairs = list(zip(options[::2], options[1::2], strict=True))
        headers = dict(value.split(": ", 1) for flag, value in pairs if flag == "-H")
        (body,) = (value for flag, value in pairs if flag == "-d")
        answer = urllib3.PoolManager().request("POST", asker.url, body=body, headers=headers)
        assert answer.status == 200, answer.data
    (told,) = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert asker.error("FROM span")[2].startswith(json.loads(told)["error"])


def test_parameters_and_time_zones_are_the_querys(asker: Asker) -> None:
    named = {"query": "SELECT $a || 'x' AS text, len($l) AS n", "parameters": {"a": "';--", "l": [1, 2]}}
    assert asker.rows(named) == [{"text": "';--x", "n": 2}]
    assert asker.rows({"query": "SELECT ? + $2 AS n", "parameters": [40, 2]}) == [{"n": 42}]
    zoned = {"query": "SELECT '2026-06-01 00:00:00+00'::TIMESTAMPTZ::VARCHAR AS t", "tz": "Europe/Berlin"}
    assert asker.rows(zoned) == [{"t": "2026-06-01 02:00:00+02"}]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT nonsense FROM spans", "`DESCRIBE spans` lists the columns"),
        ("FROM span", 'Did you mean "spans"?'),
        ("SELECT $a", 'no value for $a: give --param a=..., in Python a=..., over HTTP "parameters"'),
        ("SELECT (SELECT n FROM (VALUES (1), (2)) t(n))", "More than one row"),
        ({"query": "SELECT 1", "tz": "Nowhere"}, "unknown time zone"),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_line(asker: Asker, body: Any, said: str) -> None:
    status, word, line = asker.error(body)
    assert (status, word) in ((400, "wrong_query"), (422, "failed"))
    assert said in line


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"sql": "SELECT 1"}', "unknown key 'sql'"),
        (b'{"query": "SELECT 1", "question": "cost"}', "send one of"),
        (b"{}", "send one of"),
        (b"[]", "no JSON object"),
        (b"{", "no JSON"),
        (b"\xff", "no UTF-8"),
        (b'{"query": 1}', '"query" is no text'),
        (b'{"query": "SELECT 1", "format": "xml"}', "json, csv or arrow"),
        (b'{"query": "SELECT 1", "parameters": "x"}', '"parameters" is no object or list'),
        (b'{"query": "SELECT 1", "parameters": {"a": {}}}', '"parameters" is no object or list'),
        (b'{"question": "cost", "arguments": []}', '"arguments" is no object'),
    ],
)
def test_a_body_that_says_nothing_is_told_so(body: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        read_request(Asked(body, "application/json", "", None))


@pytest.mark.parametrize(
    "query",
    [
        "WITH x AS (COPY spans TO 'DATA/x.csv') FROM x",
        "ATTACH 'DATA/x.db'",
        "FROM spans; FROM spans",
        "FROM read_csv('/etc/passwd')",
        "FROM read_blob('DATA/journal/*')",
        "SELECT getvariable('spans_files')",
    ],
)
def test_nothing_but_reading_the_tables_is_done(asker: Asker, query: str) -> None:
    """A few of those in `tests/query/test_guard.py`."""
    before = sorted(path for path in asker.data.rglob("*") if "journal" not in path.parts)
    status, word, line = asker.error(query.replace("DATA", str(asker.data)))
    assert (status, word) == (400, "wrong_query")
    assert str(asker.data) not in line
    assert sorted(path for path in asker.data.rglob("*") if "journal" not in path.parts) == before


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        (f"FROM range({10**12})", 413, "sql_rows_max"),
        (f"SELECT repeat('x', {BYTES_MAX + 1})", 413, "sql_answer_bytes_max"),
        (f"SELECT repeat('x', {10**10})", 422, "maximum supported string size"),
        (f"SELECT range({10**9}) AS huge", 422, "sql_memory_bytes_max"),
        ("SELECT list(repeat('x', 1000)) FROM range(10_000_000)", 422, "sql_memory_bytes_max"),
    ],
)
def test_what_is_too_large_is_told_with_the_limit(asker: Asker, query: str, status: int, said: str) -> None:
    found, _, line = asker.error(query)
    assert (found, said in line) == (status, True)
    assert asker.rows(f"FROM range({ROWS_MAX})")[-1] == {"range": ROWS_MAX - 1}


def test_what_takes_too_long_is_cut(tmp_path: Path) -> None:
    with collector(tmp_path / "data", "--sql-seconds-max", "1", "--sql-niceness", "1") as running:
        asker = Asker(running)
        asker.send(otlp.span(otlp.chat()))
        wait_for(lambda: asker.post("SELECT 1").status != 404, 60)
        cross = "SELECT sum(hash(a.range + b.range)) FROM range(1_000_000) a, range(1_000_000) b"
        for query in (ENDLESS, cross, "SELECT count(*) FROM range(1_000_000_000_000)"):
            assert asker.error(query)[:2] == (504, "too_slow")

        def is_cut_by_force() -> bool:
            """Unless a loaded machine takes all of the second before the function begins."""
            asker.post("SELECT 1")  # leaves a connection that is open
            status, word, line = asker.error(STUCK)
            assert (status, word) == (504, "too_slow")
            return "cannot be interrupted" in line

        process = asker.query_process()
        assert process.nice() == psutil.Process().nice() + 1
        wait_for(is_cut_by_force, 60)
        wait_for(lambda: asker.post("SELECT 1").status == 200, 60)
        assert asker.query_process() != process


def test_requests_that_are_none_of_a_query_are_refused_in_its_own_way(asker: Asker) -> None:
    def refused(method: str, **headers: str) -> tuple[int, str]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = urllib3.PoolManager().request(method, asker.url, body=b"SELECT 1", headers=sent)
        return answer.status, answer.json()["error"] if answer.status >= 400 else answer.headers.get("vary", "")

    assert refused("GET")[0] == 405
    assert refused("POST", content_type="application/x-protobuf")[0] == 415
    assert refused("POST", content_encoding="gzip")[0] == 415
    assert refused("POST", content_length=str(2 * 1024 * 1024))[0] == 413
    assert refused("POST", origin="http://evil.example") == (
        403,
        "pages of http://evil.example may not ask here: add it to cors_origins",
    )
    assert refused("POST", origin=PAGE) == (200, "origin")
    assert refused("OPTIONS", origin=PAGE)[0] == 204


def test_a_port_that_others_reach_answers_nobody_without_a_lock(tmp_path: Path) -> None:
    def status(**flags: Any) -> type[Exception] | None:
        config: Config = Configured(flags, {}, None).config
        (tmp_path / "journal").mkdir(exist_ok=True)
        door = SqlDoor(Access(config), config, Telemetry(tmp_path), None)
        try:
            door.look(Request(path="/v1/sql", method="POST"))
        except Exception as error:
            return type(error)
        return None

    assert status() is None
    assert status(http="0.0.0.0:4318") is ForbiddenError
    (tmp_path / "x.pem").touch()
    pem = dict.fromkeys(("tls_certificate", "tls_key", "tls_client_authority"), str(tmp_path / "x.pem"))
    assert status(http="0.0.0.0:4318", **pem) is None
    assert status(sql_queries_max="0") is ForbiddenError


def test_a_query_whose_client_goes_is_interrupted(narrow: Asker) -> None:
    with narrow.asking(ENDLESS):
        wait_for(lambda: narrow.gauge("queries_running") == 1, 60)
        pid = narrow.query_process().pid
    wait_for(lambda: narrow.gauge("queries_running") == 0, 60)
    assert narrow.rows("SELECT 1 AS n") == [{"n": 1}]
    assert narrow.query_process().pid == pid
    assert "Traceback" not in narrow.running.stderr


def test_many_at_once_wait_and_more_are_told_to_come_again(narrow: Asker) -> None:
    with ThreadPoolExecutor(WAITING_MAX + 1) as crowd:
        first = crowd.submit(narrow.post, ENDLESS)
        wait_for(lambda: narrow.gauge("queries_running") == 1, 60)
        others = [crowd.submit(narrow.post, "SELECT 1 AS n") for _ in range(WAITING_MAX)]
        wait_for(lambda: narrow.gauge("queries_waiting") == WAITING_MAX, 60)
        refused = narrow.post("SELECT 1 AS n")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["code"] == "busy"
        narrow.query_process().kill()
        cut = first.result()
        assert (cut.status, cut.headers["retry-after"], cut.json()["code"]) == (503, "1", "busy")
        assert [other.result().json() for other in others] == [[{"n": 1}]] * WAITING_MAX
    assert narrow.gauge("queries_waiting") == 0


def test_a_query_has_its_time_from_when_it_is_worked_on() -> None:
    client, theirs = socket.socketpair()
    with client, theirs, duckdb.connect() as connection:
        watch = Watch(theirs, 0.1, lambda _: None)
        time.sleep(0.2)  # the process starts, the lake is opened
        watch.check()
        with pytest.raises(EndedError, match="took longer than"), watch.over(connection):
            connection.execute("SELECT count(*) FROM range(100000) a, range(10000000) b WHERE a.range > b.range")
        client.close()
        with pytest.raises(EndedError, match="has gone"):
            watch.check()


def test_a_process_that_takes_no_queries_is_ended_for_another(tmp_path: Path) -> None:
    config: Config = Configured({"data": str(tmp_path), "sql_niceness": "0"}, {}, None).config
    journal.Writer(tmp_path)
    ours, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    held = contextlib.ExitStack()
    answering = Answering(lambda: config, asked)

    def ask() -> socket.socket:
        client, theirs = socket.socketpair()
        held.enter_context(client)
        with theirs:
            socket.send_fds(ours, [SIGN], [theirs.fileno()])
        client.sendall(Asked(b"SELECT 1", "text/plain", "", None).dump())
        return client

    def is_answered(client: socket.socket) -> bool:
        answering.look(time.monotonic())
        return is_readable(client)

    with held, ours, asked:
        held.callback(lambda: answering.child and answering.child.stop(0))
        first = ask()
        wait_for(lambda: is_answered(first), 60)
        assert answering.child is not None
        stopped, now = answering.child.process, time.monotonic()
        answering.look(now)
        os.kill(stopped.pid, signal.SIGSTOP)
        wait_for(lambda: psutil.Process(stopped.pid).status() == psutil.STATUS_STOPPED)
        second = ask()
        answering.look(now + config.sql_seconds_max + MORE_S - 1)
        assert stopped.poll() is None, "somebody may wait for its answer still"
        answering.look(now + config.sql_seconds_max + MORE_S + 1)
        assert stopped.poll() == -signal.SIGKILL
        assert read_tally(tmp_path).silent == {"query": 1}
        wait_for(lambda: is_answered(second), 60)
        assert b'"status": 404' in second.recv(64), "what lay there is answered: there is no data yet"


def test_a_process_in_which_a_query_hangs_ends_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config: Config = Configured({"data": str(tmp_path)}, {}, None).config
    monkeypatch.setattr(endpoint, "_bound_memory", lambda _: None)
    desk, hanging = Desk(config), threading.Event()
    monkeypatch.setattr(endpoint, "answer", lambda *_: hanging.wait() and endpoint.FAULT)
    client, theirs = socket.socketpair()
    thread = threading.Thread(target=desk.serve, args=[theirs])
    with client:
        client.sendall(Asked(b"SELECT 1", "text/plain", "", None).dump())
        thread.start()
        long_after = time.monotonic() + config.sql_seconds_max + 2 * MORE_S + 60
        wait_for(lambda: desk.is_stuck(long_after))
        assert not desk.is_stuck(time.monotonic())
        hanging.set()
        thread.join(20)
        assert not desk.is_stuck(long_after)


def test_a_client_that_reads_slowly_keeps_nobody_waiting(asker: Asker) -> None:
    """Its answer lies in the sockets and in the process; another turn is free, and the rest comes when it is read."""
    with asker.asking(f"SELECT repeat('x', {BYTES_MAX // 2}) AS x") as client:
        begin = client.recv(16)
        assert begin.startswith(b"HTTP/1.1 200 OK")
        assert asker.rows("SELECT 1 AS n") == [{"n": 1}]
        assert asker.gauge("queries_running") == 1, "the sockets hold all of it: ask for more"
        read = len(begin)
        while read < BYTES_MAX // 2:
            read += len(part := client.recv(BYTES_MAX))
            assert part, "the answer was cut"


def test_a_client_that_reads_nothing_is_cut(narrow: Asker) -> None:
    narrow.rows("SELECT 1 AS n")
    process = narrow.query_process()
    files, threads = process.num_fds(), process.num_threads()
    with narrow.asking(f"SELECT repeat('x', {BYTES_MAX}) AS x") as client:
        wait_for(lambda: narrow.gauge("queries_running") == 1, 60)
        assert narrow.gauge("answers_cut_total") == 0
        assert narrow.rows("SELECT 1 AS n") == [{"n": 1}], "there is one turn, which it gives back"
        assert narrow.gauge("answers_cut_total") == 1
        assert is_cut(client, BYTES_MAX)
    assert narrow.query_process() == process
    wait_for(lambda: (process.num_fds(), process.num_threads()) <= (files, threads), 60)


def is_cut(client: socket.socket, length: int) -> bool:
    """Whether a connection ends before so many bytes have come."""
    read = 0
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(BYTES_MAX):
            read += len(part)
    return read < length


def test_sighup_changes_what_may_be_asked(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("sql_rows_max = 1\n")
    with collector(tmp_path / "data", "--config", str(file), *EAGER) as running:
        asker = Asker(running)
        asker.send(otlp.span(otlp.chat()))
        asker.settle()
        assert asker.error("FROM range(2)")[0] == 413
        file.write_text("sql_rows_max = 2\n")
        os.kill(running.process.pid, signal.SIGHUP)
        wait_for(lambda: asker.post("FROM range(2)").status == 200, 60)
        file.write_text("sql_queries_max = 0\n")
        os.kill(running.process.pid, signal.SIGHUP)
        wait_for(lambda: asker.post("SELECT 1").status == 403, 60)
        assert running.stop() == 0


def test_a_token_sees_the_rows_of_its_tenant_and_some_see_all(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('sql_tenants_all = ["staff"]\n[tokens]\nnorth = "n-1"\nsouth = "s-1"\nstaff = "a-1"\n')
    content = {"gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]'}
    with collector(tmp_path / "data", "--config", str(file), *EAGER) as running:
        asker = Asker(running)
        for token, user in (("n-1", "nora"), ("s-1", "sam")):
            asker.send(otlp.span(otlp.chat() | content | {"user.id": user}), authorization=f"Bearer {token}")
        query = (
            "SELECT (SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM users) AS who, count(*) AS n FROM messages"
        )

        def seen(token: str) -> Any:
            answer = asker.post(query, authorization=f"Bearer {token}")
            return answer.json() if answer.headers.get("otel-llm-lag-ms") == "0" else None

        assert wait_for(lambda: seen("a-1"), 60) == [{"who": "nora sam", "n": 2}]
        assert seen("n-1") == [{"who": "nora", "n": 1}]
        assert seen("s-1") == [{"who": "sam", "n": 1}]
        assert asker.error(query)[0] == asker.error(query, authorization="Bearer x")[0] == 401


def test_a_lake_in_a_bucket_is_answered_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with bucket() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        address = f"s3://{BUCKET}/asked"
        with collector(tmp_path / "data", "--lake", address, *EAGER) as running:
            asker = Asker(running)
            asker.send(otlp.span(otlp.chat()))
            asker.settle()
            assert asker.rows("SELECT count(*) AS n, sum(cost_usd)::VARCHAR AS usd FROM llm_calls") == [
                {"n": 1, "usd": "0.000270000000"}
            ]
            assert asker.error(f"FROM read_text('{address}/spans/_delta_log/*')")[0] == 400
            data = tmp_path / "data"
            bounded = connect_to(data, all_live_files(data), bounds=Bounds(2**28))
            with bounded, pytest.raises(duckdb.PermissionException):
                bounded.execute(f"FROM read_text('{address}/spans/_delta_log/*')")

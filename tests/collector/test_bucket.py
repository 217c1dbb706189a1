"""The lake in an object store: a real S3 server on loopback, real collectors, several of them at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from rig import lake as journaled
from rig import otlp
from rig.bucket import BUCKET, bucket
from rig.processes import collector, wait_for
from rig.rollups import add_up

from otel_llm_collector import query
from otel_llm_collector.config import data_dir
from otel_llm_collector.converter import Converter
from otel_llm_collector.lake.address import keep_address
from otel_llm_collector.lake.compact import Compactor
from otel_llm_collector.lake.log import LakeTable
from otel_llm_collector.lake.replaced import Replacing

pytestmark = pytest.mark.slow

CONTENT = '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]'


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    with bucket() as variables:
        yield variables


@pytest.fixture
def lake(store: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """An address that nobody has used."""
    for name, value in store.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{request.node.name.split('[')[0]}"


def ask(query: str, data: Path | str, expected: int = 0) -> Any:
    command = [sys.executable, "-m", "otel_llm.cli", "sql", query, "--data", str(data), "--format", "json"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, check=False)
    assert done.returncode == expected, done.stderr
    return json.loads(done.stdout) if not expected else done.stderr


def test_rows_are_in_the_bucket_and_can_be_asked_for_anywhere(lake: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with collector(data, "--lake", lake) as running:
        body = otlp.request(otlp.span(otlp.chat())).SerializeToString()
        assert otlp.post(running.traces_url, body).status == 200
        question = "SELECT count(*) AS calls, sum(cost_usd)::VARCHAR AS usd FROM llm_calls"
        answer = [{"calls": 1, "usd": "0.000270000000"}]
        wait_for(lambda: (data / "views.sql").exists() and ask(question, data) == answer)
        assert ask(question, lake) == answer
        assert running.stop() == 0
    assert not list(data.glob("spans")), "the tables are not in the data directory"
    assert not list(data.glob("drafts/*"))
    assert f"'{lake}')" in (data / "views.sql").read_text()
    with collector(data) as again:  # which knows from its directory where the lake is
        assert otlp.post(again.traces_url, body).status == 200
        assert again.stop() == 0
    assert ask(question, lake) == answer


def send(url: str, spans: int, batches: int) -> set[str]:
    """So many requests with so many spans each; the ids of all."""
    ids: set[str] = set()
    for _ in range(batches):
        sent = [otlp.span(otlp.chat(**{"gen_ai.input.messages": CONTENT})) for _ in range(spans)]
        assert otlp.post(url, otlp.request(*sent).SerializeToString()).status == 200
        ids |= {(span.trace_id + span.span_id).hex() for span in sent}
    return ids


def compact(lake: str, data: Path, stop: threading.Event, failures: list[BaseException]) -> None:
    """What the process of a collector that merges files does, all the time and at once."""
    try:
        tables = [Replacing(LakeTable(data, name)) for name in ("spans", "messages")]
        compactors = [Compactor(table, data.name) for table in tables]
        while not stop.is_set():
            for compactor in compactors:
                compactor.step()
    except BaseException as error:
        failures.append(error)


def test_two_collectors_and_two_compactors_at_once(lake: str, tmp_path: Path) -> None:
    stop, failures = threading.Event(), list[BaseException]()
    first, second = tmp_path / "first", tmp_path / "second"
    with collector(first, "--lake", lake) as one, collector(second, "--lake", lake) as two:
        wait_for(lambda: all((data / "lake-url").exists() for data in (first, second)))
        merging = [threading.Thread(target=compact, args=(lake, data, stop, failures)) for data in (first, second)]
        with ThreadPoolExecutor(2) as pool:
            sending = [pool.submit(send, running.traces_url, 5, 20) for running in (one, two)]
            wait_for(lambda: LakeTable.exists(first, "messages"), 60)
            for thread in merging:
                thread.start()
            ids = sending[0].result() | sending[1].result()
        assert (one.stop(), two.stop()) == (0, 0)
        stop.set()
        for thread in merging:
            thread.join()
    assert failures == []
    assert len(ids) == 200
    rows = ask("SELECT trace_id || span_id AS id FROM spans", lake)
    assert sorted(row["id"] for row in rows) == sorted(ids)
    assert ask("SELECT count(*) AS n, count(DISTINCT row_id) AS rows FROM messages", lake) == [{"n": 200, "rows": 200}]
    assert {row["collector_id"] for row in ask("SELECT DISTINCT collector_id FROM spans", lake)}.__len__() == 2


@pytest.mark.parametrize("address", ["s3://", "s3:///x", "http://x/y", "lakes/x"])
def test_what_is_no_address_is_refused(address: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "otel_llm.cli", "collector", "--data", str(tmp_path / "d"), "--lake", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "s3://BUCKET/FOLDER" in done.stderr


def test_tables_that_are_elsewhere_stay_there(lake: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "spans").mkdir(parents=True)
    command = [sys.executable, "-m", "otel_llm.cli", "collector", "--data", str(data), "--lake", lake]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "name another --data" in done.stderr


def test_a_bucket_that_is_not_there_is_said(store: dict[str, str], lake: str) -> None:
    assert "cannot read the Delta log in s3://nobodys/lake/spans" in ask("SELECT 1", "s3://nobodys/lake", expected=1)


def test_what_calls_add_up_to_is_in_the_bucket_and_answers_from_anywhere(lake: str, tmp_path: Path) -> None:
    keep_address(tmp_path, lake)
    start_ns = 1_780_000_000 * 10**9
    journaled.store(
        tmp_path, otlp.request(*(otlp.span(otlp.chat(), start_ns=start_ns + n * 86_400 * 10**9) for n in range(3)))
    )
    converter = Converter(tmp_path)
    while converter.convert_some():
        pass
    add_up(tmp_path)
    assert not list(tmp_path.glob("rollups/*"))
    for data in (tmp_path, data_dir(lake)):
        with query.connect(data) as connection:
            told = [ask(connection, exact=exact) for ask in (query.cost, query.latency) for exact in (False, True)]
        assert [answer.rows()[0]["calls"] for answer in told] == [3] * 4
        assert told[0].rows() == told[1].rows()
        assert [answer.source.partition(",")[0] for answer in told[::2]] == [
            "read from the roll-up calls", "read from the roll-up models",
        ]  # fmt: skip

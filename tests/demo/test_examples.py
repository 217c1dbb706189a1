"""The examples run as their READMEs say, and answer what their READMEs show."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rig.otlp import rows
from rig.processes import CollectorProcess, collector, wait_for

from otel_llm_collector.demo.standin import Call, Standin

from .bill import cost_of

EXAMPLES = Path(__file__).parents[2] / "examples"
README = (EXAMPLES / "README.md").read_text()
JAEGER_README = (EXAMPLES / "jaeger" / "README.md").read_text()
COMPOSE = (EXAMPLES / "jaeger" / "compose.yaml").read_text()
SQL = (EXAMPLES / "duckdb_queries.sql").read_text()
QUESTIONS = re.findall(r"^-- (.+?\?).*\n((?:[^-].*\n)+?.*;)$", SQL, re.MULTILINE)


@dataclass(frozen=True)
class World:
    """A folder with the examples and their data, the stand-in, and the collector with a second one behind it."""

    folder: Path
    standin: Standin
    collector: CollectorProcess
    jaeger: CollectorProcess  # in the place of Jaeger: an OTLP receiver that requests are forwarded to

    def run(self, command: str) -> str:
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def env(self) -> dict[str, str]:
        bare = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        endpoint = f"http://{self.collector.http}"
        return bare | self.standin.env | {"PATH": path, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("examples")
    (folder / "examples").symlink_to(EXAMPLES)
    with (
        Standin() as standin,
        collector(folder / "jaeger-data") as jaeger,
        collector(folder / "otel-llm-data", "--forward", f"http://{jaeger.http}") as first,
    ):
        yield World(folder, standin, first, jaeger)


@pytest.fixture(scope="module")
def played(world: World) -> World:
    """The world after the README's two programs have run."""
    for command, expected in console(README):
        if command.startswith("otel-llm run"):
            assert world.run(command) == expected
    wait_for(lambda: len(read_calls(world)) == len(world.standin.calls))
    return world


def read_calls(world: World) -> list[dict[str, Any]]:
    return rows(world.folder / "otel-llm-data", "SELECT DISTINCT ON (row_id) * FROM t WHERE is_llm_call")


def console(readme: str) -> list[tuple[str, str]]:
    """(command, expected output) of the fenced `console` blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    return [match for block in blocks for match in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)]


def sh(readme: str) -> list[str]:
    """Lines of the fenced `sh` blocks."""
    return [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]


def test_the_programs_print_what_the_readme_shows(played: World) -> None:
    assert [command for command, _ in console(README)][:2] == [
        "otel-llm run -- python examples/triage.py",
        "otel-llm run -- python examples/agents.py",
    ]
    assert len(played.standin.calls) == 8


def test_the_commands_answer_what_the_readme_shows(played: World) -> None:
    asked = [(command, expected) for command, expected in console(README) if not command.startswith("otel-llm run")]
    assert len(asked) == 2
    for command, expected in asked:
        assert played.run(command) == expected


def test_the_tree_in_the_readme_is_the_tree(played: World) -> None:
    shown = re.search(r"^invoke_workflow.*?(?=^```)", README, re.MULTILINE | re.DOTALL)
    assert shown
    assert structure(played.run("otel-llm trace last")) == structure(shown[0])


def structure(tree: str) -> list[tuple[str, ...]]:
    """The lines from the root on, without times, in the order of their text: siblings may start in any order."""
    lines = tree[tree.index("invoke_workflow") :].splitlines()
    return sorted(tuple(re.sub(r"[│├└─]|[\d.,]+ (ms|s)\b", " ", line).split()) for line in lines)


def test_the_setup_in_the_readme_is_the_setup_here(world: World) -> None:
    lines = sh(README)
    assert "otel-llm collector &" in lines
    exported = dict(re.findall(r"(\w+)=(\S+)", " ".join(lines)))
    port = world.standin.url.rpartition(":")[2]
    for name, value in exported.items():
        if name.endswith("_URL"):
            assert value.replace("8089", port) == world.standin.env[name]
    assert exported.keys() == world.standin.env.keys()
    [standin] = [line for line in lines if "standin" in line]
    assert standin == "python -m otel_llm_collector.demo.standin --port 8089 &"


def test_triage_knows_nothing_of_us() -> None:
    assert "otel_llm" not in (EXAMPLES / "triage.py").read_text()


# --- DuckDB ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain_duckdb(played: World) -> Iterator[duckdb.DuckDBPyConnection]:
    # the file's paths are relative, as for anyone who runs it
    with contextlib.chdir(played.folder), duckdb.connect() as connection:
        for statement in SQL.split(";\n"):
            connection.execute(statement)
        yield connection


@pytest.mark.parametrize(("question", "query"), QUESTIONS, ids=[question for question, _ in QUESTIONS])
def test_each_question_has_an_answer(plain_duckdb: duckdb.DuckDBPyConnection, question: str, query: str) -> None:
    found = plain_duckdb.execute(query).fetchall()
    assert bool(found) is (question != "What failed, and what has no price?")


def test_the_answers_of_duckdb_are_those_of_the_readme(plain_duckdb: duckdb.DuckDBPyConnection) -> None:
    queries = dict(QUESTIONS)
    shown = re.findall(r"^```text\n([^\n]*\?)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(shown) == 3
    for question, table in shown:
        assert cells(str(plain_duckdb.sql(queries[question].rstrip(";")))) == cells(table), question
    assert len(QUESTIONS) == 9
    assert "of its nine answers" in README


def cells(table: str) -> list[list[str]]:
    """The text of a table that DuckDB drew, without the lines."""
    return [[cell.strip() for cell in line.split("│")] for line in table.splitlines() if line.startswith("│")]


def test_duckdb_finds_the_exact_bill(plain_duckdb: duckdb.DuckDBPyConnection, played: World) -> None:
    calls = [vars_of(call) for call in played.standin.calls]
    [(total,)] = plain_duckdb.execute("SELECT sum(cost_usd) FROM calls").fetchall()
    assert total == sum((cost_of(call) for call in calls), Decimal(0))


def vars_of(call: Call) -> dict[str, Any]:
    return {"provider": call.provider, "model": call.model, "usage": call.usage}


def test_the_collector_stays_small(played: World) -> None:
    held = {process: process.memory_info().rss for process in played.collector.tree()}
    merging = sum(used for process, used in held.items() if any("upkeep" in word for word in process.cmdline()))
    print(f"the collector's processes hold {sum(held.values()) / 1e6:.0f} MB, {merging / 1e6:.0f} of it to merge files")
    assert merging > 0
    assert sum(held.values()) - merging < 400e6
    assert sum(held.values()) < 600e6


# --- Jaeger ---------------------------------------------------------------------------------------------------


def test_forwarded_traces_arrive_as_they_were_sent(played: World) -> None:
    query = "SELECT DISTINCT trace_id, span_id, parent_span_id, name, start_time_ns, duration_ns, cost_usd FROM t"
    expected = in_order(rows(played.folder / "otel-llm-data", query))
    assert len(expected) == 6 + 10
    wait_for(lambda: in_order(rows(played.folder / "jaeger-data", query)) == expected)


def in_order(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda row: str(row["span_id"]))


def test_the_readme_of_jaeger_fits_its_compose_file() -> None:
    published = dict(re.findall(r'- "127\.0\.0\.1:(\d+):(\d+)"', COMPOSE))
    assert published == {"16686": "16686", "14317": "4317", "14318": "4318"}
    assert re.search(r"^ {4}image: jaegertracing/jaeger:2\.\d+\.\d+$", COMPOSE, re.MULTILINE)
    lines = sh(JAEGER_README)
    assert "otel-llm collector --forward http://127.0.0.1:14318 &" in lines
    assert "export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:14318" in lines
    assert "http://127.0.0.1:16686" in JAEGER_README


def test_the_two_variables_reach_another_receiver(played: World) -> None:
    """Without our collector: what the README says about Jaeger, with a receiver in its place."""
    exports = [line.replace("127.0.0.1:14318", played.jaeger.http) for line in sh(JAEGER_README) if "export" in line]
    played.run(" && ".join([*exports, "otel-llm run -- python examples/agents.py"]))
    query = "SELECT trace_id, count(*) AS spans FROM t WHERE service_name = 'agents' GROUP BY trace_id"
    found = wait_for(
        lambda: direct if len(direct := rows(played.folder / "jaeger-data", query)) == 2 and spans_of(direct) else None
    )
    assert spans_of(found)


def spans_of(found: list[dict[str, Any]]) -> bool:
    shown = re.search(r"^invoke_workflow.*?(?=^```)", JAEGER_README, re.MULTILINE | re.DOTALL)
    assert shown
    return all(row["spans"] == len(shown[0].splitlines()) for row in found)

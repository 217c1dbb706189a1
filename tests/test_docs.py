"""The README is followed word by word: its program, its commands, its links."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import otlp
from rig.processes import collector, wait_for

from otel_llm_collector.demo.standin import Standin

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
READING = ("cost", "errors", "latency", "prices", "sql", "trace", "users")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [line.split("   #")[0].strip() for block in blocks("sh") for line in block.splitlines()]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a reader who started a collector and ran the README's program under `otel-llm run`."""
    place = tmp_path_factory.mktemp("reader")
    program, *_ = blocks("python")
    (place / "app.py").write_text(program)
    with Standin(log=place / "calls.jsonl") as standin, collector(place / "otel-llm-data") as running:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OPENAI_BASE_URL": f"{standin.url}/v1",
            "OPENAI_API_KEY": "none-needed",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{running.http}",
            "PWD": str(place),
            "COLUMNS": "80",
        }
        for command in ("otel-llm run -- python app.py", "opentelemetry-instrument python app.py"):
            assert any(line.endswith(command) for line in commands())
            ran = subprocess.run(
                command, check=False, shell=True, cwd=place, env=environment, capture_output=True, timeout=60
            )
            assert (ran.returncode, ran.stderr) == (0, b"")
        wait_for(lambda: len(otlp.rows(running.data, "SELECT 1 FROM t WHERE is_llm_call")) == 2)
        yield environment


def test_the_answers_that_the_readme_shows_are_of_the_page_of_questions() -> None:
    shown = [block for block in blocks("text") if block.startswith("$ otel-llm")]
    page = (ROOT / "docs/questions.md").read_text()
    assert shown
    assert [block.splitlines()[0] for block in shown if f"```text\n{block}```" not in page] == [], "run `make docs`"


def test_the_program_makes_the_spans_that_the_readme_promises(followed: dict[str, str]) -> None:
    rows = otlp.rows(Path(followed["PWD"]) / "otel-llm-data", "FROM t ORDER BY start_time_ns")[:4]
    assert [row["operation"] for row in rows] == ["invoke_workflow", "invoke_agent", "execute_tool", "chat"]
    parents = [row["parent_span_id"] for row in rows]
    assert parents == [None, rows[0]["span_id"], rows[1]["span_id"], rows[1]["span_id"]]
    assert {(row["session_id"], row["user_id"]) for row in rows} == {("visit-1", "dr-okafor")}
    assert {row["service_name"] for row in rows} == {"app"}
    assert dict(rows[3]["properties"]) == {"department": "cardiology"}
    assert (rows[3]["agent_name"], rows[3]["workflow_name"]) == ("triage", "admission")


@pytest.mark.parametrize("line", [line for line in commands() if line.split()[:1] == ["otel-llm"]])
def test_every_command_of_the_readme_runs(followed: dict[str, str], line: str) -> None:
    if shlex.split(line)[1] not in READING:
        line = f"{' '.join(shlex.split(line)[:2])} --help"
    ran = subprocess.run(
        line, check=False, shell=True, cwd=followed["PWD"], env=followed, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout


@pytest.mark.parametrize("program", blocks("python")[1:])
def test_every_other_program_of_the_readme_runs(tmp_path: Path, program: str) -> None:
    ran = subprocess.run([sys.executable, "-c", program], check=False, cwd=tmp_path, capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    assert [t for t in targets if not t.startswith("http") and not (page.parent / t).exists()] == []


def test_files_named_in_contributing_exist() -> None:
    named = re.findall(
        r"`((?:otel_llm|semconv|collector|tests|docs)/[\w./]+\.(?:py|md|sql|toml))`", PAGES[1].read_text()
    )
    placeholders = {path for path in named if "NAME" in path}
    assert [path for path in set(named) - placeholders if not (ROOT / path).exists()] == []

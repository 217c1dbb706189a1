"""docs/content.md is followed word by word: its program, its commands, its query."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import otlp
from rig.processes import collector, wait_for

from otel_llm_collector.demo.standin import Standin

PAGE = (Path(__file__).parents[2] / "docs/content.md").read_text()
QUESTION = "Bill Anna, card 4111-1111-1111-1111, mail anna.b@example.org."
PLAIN_APP = f"""
from openai import OpenAI
OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": {QUESTION!r}}}])
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def line(word: str) -> str:
    """The one command of the page that has the word in it."""
    (found,) = {one for block in blocks("sh") for one in block.splitlines() if word in one}
    return found


class Reader:
    """Somebody who follows the page, with a collector running."""

    def __init__(self, place: Path, environment: dict[str, str], data: Path) -> None:
        self.place = place
        self.data = data
        self._environment = environment
        self._calls = 0

    def run(self, command: str, **more: str) -> str:
        """What the command prints; it succeeds and complains of nothing."""
        environment = {**self._environment, **more}
        ran = subprocess.run(
            command,
            check=False,
            shell=True,
            cwd=self.place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout

    def question(self) -> str:
        """What was recorded of the question of the call that has just been made."""
        self._calls += 1
        wait_for(lambda: len(otlp.rows(self.data, "SELECT 1 FROM t WHERE is_llm_call")) == self._calls)
        (row,) = json.loads(
            self.run(
                'otel-llm sql --format json "SELECT input_messages FROM messages JOIN spans USING (row_id) '
                'ORDER BY start_time_ns DESC LIMIT 1"'
            )
        )
        (message,) = json.loads(row["input_messages"])
        return str(message["parts"][0]["content"])


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    place = tmp_path_factory.mktemp("reader")
    (place / "plain.py").write_text(PLAIN_APP)
    (program,) = blocks("python")
    (place / "app.py").write_text(program)
    with Standin() as standin, collector(place / "otel-llm-data") as running:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OPENAI_BASE_URL": f"{standin.url}/v1",
            "OPENAI_API_KEY": "none-needed",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{running.http}",
            "PWD": str(place),
        }
        yield Reader(place, environment, running.data)


def test_spans_carry_content_on_request(reader: Reader) -> None:
    reader.run(blocks("sh")[0].replace("app.py", "plain.py"))
    assert reader.question() == QUESTION


def test_expressions_redact(reader: Reader) -> None:
    reader.run(f"{line('export OTEL_LLM_REDACT')}\n{blocks('sh')[0].replace('app.py', 'plain.py')}")
    assert reader.question() == "Bill Anna, card [redacted], mail [redacted]."


def test_the_program_redacts(reader: Reader) -> None:
    assert reader.run("python app.py").strip()
    assert reader.question() == "Bill a patient, card [redacted]."


def test_what_was_cut_is_found(reader: Reader) -> None:
    reader.run(blocks("sh")[0].replace("app.py", "plain.py"), OTEL_LLM_CONTENT_BYTES_MAX="100")
    assert reader.question().endswith("…")
    shown = reader.run(line("otel-llm sql").replace("sql ", "sql --format json "))
    assert [json.loads(row["cut"])[0] for row in json.loads(shown)] == ["gen_ai.input.messages"]


def test_content_is_stored_whole(reader: Reader) -> None:
    command = line("OTEL_LLM_CONTENT_UPLOAD=").replace("app.py", "plain.py")
    reader.run(command, OTEL_LLM_CONTENT_BYTES_MAX="100")
    assert reader.question().endswith("…")
    (kept,) = (reader.place / "prompts").rglob("*_inputs.json")
    assert json.loads(kept.read_text())[0]["parts"][0]["content"] == QUESTION
    shown = reader.run(
        "otel-llm sql --format json \"SELECT attributes['gen_ai.input.messages_ref'] AS ref FROM spans "
        'WHERE ref IS NOT NULL"'
    )
    assert json.loads(shown) == [{"ref": kept.as_uri()}]


def test_the_blob_on_the_page_is_one_that_is_made() -> None:
    from app.test_content import PNG_BLOB

    (shown,) = map(json.loads, blocks("json"))
    assert shown | {"sha256": PNG_BLOB["sha256"]} == PNG_BLOB


def test_every_setting_on_the_page_exists() -> None:
    from otel_llm.settings import SETTINGS

    named = set(re.findall(r"OTEL_LLM_[A-Z_]+", PAGE))
    assert named <= {row.env for row in SETTINGS}
    assert set(re.findall(r"^    (\w+)=", blocks("python")[0], re.MULTILINE)) - {"model", "messages"} <= {
        row.name for row in SETTINGS
    }

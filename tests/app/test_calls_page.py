"""docs/calls.md is followed word by word: its program, its query, its names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from rig import otlp
from rig.processes import collector, wait_for

from otel_llm.settings import SETTINGS
from otel_llm_collector.demo.standin import Fault, Standin
from otel_llm_semconv import attributes as a

PAGE = (Path(__file__).parents[2] / "docs/calls.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_three_calls_are_three_rows_that_say_how_they_ended(tmp_path: Path) -> None:
    faults = [Fault("404", "no-such-model"), Fault("429", times=1)]
    with Standin(faults=faults, retry_after_s=0) as standin, collector(tmp_path / "otel-llm-data") as running:
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
            **standin.env,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{running.http}",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        done = subprocess.run(
            [sys.executable, "-c", block("python")], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1] == "NotFoundError"
        wait_for(lambda: len(otlp.rows(running.data, "SELECT 1 FROM t WHERE is_llm_call")) == 3)
        asked = subprocess.run(
            block("sh").replace("sql ", "sql --format json "),
            shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    found = [
        (row["status"], row["error_type"] is None, row["usage_status"], row["attempts"])
        for row in json.loads(asked.stdout)
    ]
    assert found == [
        ("UNSET", True, "reported", 2),
        ("UNSET", True, "partial", None),
        ("ERROR", False, "missing", None),
    ]


def test_every_name_on_the_page_is_ours_or_the_conventions() -> None:
    known = {value for value in vars(a).values() if isinstance(value, str)}
    named = set(re.findall(r"`((?:gen_ai|otel_llm)\.[a-z_.]+)`", PAGE))
    assert named <= known
    assert set(re.findall(r"OTEL_LLM_[A-Z_]+", PAGE)) <= {row.env for row in SETTINGS}
    metrics = {value for name, value in vars(a).items() if name.startswith("METRIC_") and value.startswith("gen_ai")}
    assert metrics <= named

"""The example of examples/spark: Spark and DuckDB answer the same, to the last digit, and as its README shows."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rig import otlp
from rig.processes import collector

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venvs" / "spark"
EXAMPLE = ROOT / "examples" / "spark"
README = (EXAMPLE / "README.md").read_text()
INSTALL_S_MAX, RUN_S_MAX = 15 * 60, 5 * 60
CLAUDE = {"gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-4-6"}
ANSWER = """
SELECT coalesce(response_model, request_model) AS model, count(*) AS calls, sum(cost_usd) AS cost_usd
FROM t WHERE is_llm_call GROUP BY 1 ORDER BY cost_usd DESC NULLS LAST, model
"""


def said(pattern: str) -> list[str]:
    """What the README's commands name."""
    return re.findall(pattern, README)


@pytest.fixture(scope="module")
def spark() -> Path:
    """A Python with PySpark, and Delta's jars beside it: both as the README installs them."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            pytest.skip(f"SKIPPED: {tool} is not on this machine")
    (package,) = said(r"pip install '(.+?)'")
    python = HOME / "bin" / "python"
    if not list(HOME.glob("lib/python*/site-packages/pyspark")):
        run(sys.executable, "-m", "uv", "venv", "--clear", str(HOME), "--python", sys.executable)
        run(sys.executable, "-m", "uv", "pip", "install", "--python", str(python), package)
    for artifact in said(r"-Dartifact=(\S+)"):
        _, name, version = artifact.split(":")
        if not (HOME / "jars" / f"{name}-{version}.jar").exists():
            folder = f"-DoutputDirectory={HOME / 'jars'}"
            run("mvn", "--batch-mode", "-q", "dependency:copy", f"-Dartifact={artifact}", folder)
    return python


def run(*command: str, seconds_max: float = INSTALL_S_MAX) -> str:
    """What a command prints."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds_max, check=False, cwd=HOME.parents[1]
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def test_spark_and_duckdb_agree_to_the_last_digit(spark: Path, tmp_path: Path) -> None:
    calls = [otlp.chat(500, 300, **{"app.number": number}) for number in range(3)]
    calls += [{**otlp.chat(2000, 300), **CLAUDE, "gen_ai.response.model": "claude-sonnet-4-6"} for _ in range(2)]
    parents = [{"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}]
    with collector(tmp_path / "data") as ours:
        for attributes in (*calls, *parents):  # files of their own
            body = otlp.request(otlp.span(attributes)).SerializeToString()
            assert otlp.post(ours.traces_url, body).status == 200
        assert ours.stop() == 0
    program = str(EXAMPLE / "cost_by_model.py")
    jars = str(HOME / "jars")
    printed = run(str(spark), program, "--data", str(tmp_path / "data"), "--jars", jars, seconds_max=RUN_S_MAX)
    found = list(csv.DictReader(io.StringIO(printed)))
    expected = [{name: str(value) for name, value in row.items()} for row in otlp.rows(tmp_path / "data", ANSWER)]
    assert found == expected
    assert printed in README

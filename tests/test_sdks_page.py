"""What `make test-sdks` wrote down, and the harness itself where no SDK is needed for it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sdks import environments, page
from sdks.environments import Environment, EnvironmentFailedError

ROOT = Path(__file__).parents[1]
RUN = ROOT / "tests/sdks/run.py"


def results() -> dict[str, dict[str, object]]:
    return dict(json.loads((ROOT / "docs/sdks.json").read_text()))


# --- the page ------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_results_say() -> None:
    assert not page.stale(), "run `make docs`"


def test_every_environment_has_been_tried() -> None:
    assert sorted(results()) == environments.names(), "run `make test-sdks`"


def test_the_page_names_each_version_of_an_sdk_once() -> None:
    rows = re.findall(r"^\| ([\w.-]+) \| (\d[\w.]*) \|", (ROOT / "docs/sdks.md").read_text(), re.MULTILINE)
    assert len(rows) == len(set(rows))  # MCP stands there in two versions
    names = {name for name, _ in rows}
    assert {"openai", "anthropic", "google-genai", "boto3"} <= names


def test_a_failure_is_on_the_page() -> None:
    sdks = {"groq": {"version": "1.2", "features": {"chat": "passed", "errors": "failed"}}}
    tried = {"date": "2026-11-23", "python": "3.12.1", "error": None, "notes": [], "counts": {"failed": 1}}
    broken = tried | {"error": "no such package", "notes": ["x 2 did not install: y"], "counts": {}, "sdks": {}}
    shown = page.render({"clients": tried | {"sdks": sdks}, "crewai": broken})
    assert "| groq | 1.2 | chat, errors | failed: errors | 2026-11-23 |" in shown
    assert "- `crewai`: no such package" in shown
    assert "- x 2 did not install: y" in shown
    assert "| `clients` | 3.12.1 | 1 failed |" in shown


# --- the harness ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", environments.names())
def test_an_environment_has_tests_and_pins_only_with_a_reason(name: str) -> None:
    folder = ROOT / "tests/sdks" / name
    assert list(folder.glob("test_*.py"))
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if re.search(r"^[^#]*[<>=~]", line) and "#" not in line] == []


def test_an_unknown_environment_is_refused() -> None:
    done = subprocess.run([sys.executable, RUN, "nowhere"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no such environment: nowhere; there are" in done.stderr


def test_a_requirement_that_cannot_be_installed_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "VENVS", tmp_path / "venvs")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/requirements.txt").write_text("-r missing.txt\n")
    with pytest.raises(EnvironmentFailedError, match="ended with 2: ") as failed:
        Environment(tmp_path / "odd", time.monotonic() + 300).install("-r", tmp_path / "odd/requirements.txt")
    assert "\n" not in str(failed.value)
    assert str(tmp_path) not in str(failed.value)


def test_nothing_runs_past_its_time(tmp_path: Path) -> None:
    environment = Environment(environments.HERE / "clients", time.monotonic() + 300)
    mark = tmp_path / "alive"
    orphan = f"import subprocess, time; subprocess.Popen(['sh', '-c', 'sleep 3; touch {mark}']); time.sleep(60)"
    with pytest.raises(EnvironmentFailedError, match="took more than 1 s"):
        environment.run([sys.executable, "-c", orphan], 1)
    time.sleep(3)
    assert not mark.exists()
    with pytest.raises(EnvironmentFailedError, match="no time was left"):
        Environment(environments.HERE / "clients", time.monotonic() - 1).run(["true"], 1)


def test_a_run_says_what_each_sdk_did(tmp_path: Path) -> None:
    done = _pytest(
        tmp_path,
        """
        import pytest
        pytestmark = pytest.mark.sdk("groq")

        @pytest.mark.feature("chat")
        def test_chat():
            pass

        @pytest.mark.feature("chat", "stream")
        @pytest.mark.parametrize("wrong", [False, True])
        def test_stream(wrong):
            assert not wrong
        """,
    )
    assert done.returncode == 1
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen == {"counts": {"passed": 2, "failed": 1}, "sdks": {"groq": {"chat": "failed", "stream": "failed"}}}


def test_a_test_that_does_not_say_what_it_exercises_is_refused(tmp_path: Path) -> None:
    done = _pytest(tmp_path, "def test_something(): pass")
    assert done.returncode == 4
    assert "needs a `sdk` and a `feature` marker" in done.stderr


def _pytest(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests in a folder with the plugin of tests/sdks."""
    (folder / "conftest.py").write_text(
        "from pathlib import Path\nfrom sdks.outcomes import Outcomes\n"
        "def pytest_configure(config):\n"
        f"    config.pluginmanager.register(Outcomes(Path({str(folder / 'seen.json')!r})))\n"
    )
    indent = re.match(r"\s*", tests.lstrip("\n"))
    margin = indent.group() if indent else ""
    (folder / "test_it.py").write_text("\n".join(line.removeprefix(margin) for line in tests.splitlines()))
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", folder, folder]
    environment = {"PYTHONPATH": str(ROOT / "tests"), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)

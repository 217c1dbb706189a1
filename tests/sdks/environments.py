"""A virtual environment for each folder with a requirements.txt: made, filled, asked, used."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VENVS = ROOT / ".venvs/sdks"
INSTALL_S_MAX = 10 * 60
TESTS_S_MAX = 5 * 60
_OUTPUT_LINES_MAX = 400
#: Of an SDK's own warnings we are not the judge; of those that we cause we are.
_WARNINGS = "filterwarnings=default\nerror:::otel_llm"


class EnvironmentFailedError(Exception):
    """An environment could not be installed or its tests could not run; the message is one line, `output` the rest."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


def names() -> list[str]:
    """The environments there are."""
    return sorted(path.parent.name for path in HERE.glob("*/requirements.txt"))


class Environment:
    """The environment of one folder. Nothing in it runs past `deadline_s`, on the monotonic clock."""

    def __init__(self, name: str, deadline_s: float) -> None:
        self.name = name
        self.requirements = HERE / name / "requirements.txt"
        self._deadline_s = deadline_s
        self._venv = VENVS / name
        self._ready = self._venv / ".ready"

    def install(self, *, upgrade: bool) -> None:
        """Make it, unless it is there with the same requirements and the same metadata of otel-llm."""
        ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        wanted = hashlib.sha256(json.dumps(ours).encode() + self.requirements.read_bytes()).hexdigest()
        is_ready = self._ready.exists() and self._ready.read_text() == wanted
        if is_ready and not upgrade:
            return
        self._ready.unlink(missing_ok=True)
        self._run([sys.executable, "-m", "venv", *([] if upgrade else ["--clear"]), self._venv], INSTALL_S_MAX)
        newest = ["--upgrade", "--upgrade-strategy", "eager"] if upgrade else []
        self._pip("install", "--no-compile", *newest, "--editable", ROOT, "pytest", "-r", self.requirements)
        self._ready.write_text(wanted)

    def test(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Run its tests: how many passed and failed (`counts`), and each SDK's features (`sdks`)."""
        outcomes = self._venv / "outcomes.json"
        outcomes.unlink(missing_ok=True)
        command = [self._venv / "bin/pytest", HERE / self.name, "-q", "--tb=short", "-c", ROOT / "pyproject.toml"]
        overrides = ["-o", "norecursedirs=.*", "-o", _WARNINGS, "-p", "no:cacheprovider", f"--outcomes={outcomes}"]
        done = self._run([*command, *overrides, *arguments], TESTS_S_MAX, may_fail=True)
        if done.returncode or arguments:
            print(_tail(done.stdout + done.stderr), flush=True)
        if not outcomes.exists() or done.returncode not in (0, 1):
            raise EnvironmentFailedError(f"its tests could not run: pytest ended with {done.returncode}")
        found: dict[str, Any] = json.loads(outcomes.read_text())
        return found

    def versions(self) -> dict[str, str]:
        """The version of every distribution in it, by normalised name."""
        listed = json.loads(self._pip("list", "--format=json").stdout)
        return {normalised(row["name"]): row["version"] for row in listed}

    def behind(self) -> dict[str, str]:
        """The listed packages of which there is a newer release than it has, and that release."""
        command = ("install", "--dry-run", "--quiet", "--no-deps", "--upgrade", "--report", "-", "-r")
        report = json.loads(self._pip(*command, self.requirements).stdout)
        return {row["metadata"]["name"]: row["metadata"]["version"] for row in report["install"]}

    def refusal(self, requirement: str) -> str | None:
        """Why a requirement cannot be installed even alone; None if it can, so that a pin of another kept it out."""
        try:
            self._pip("install", "--dry-run", "--quiet", "--ignore-installed", requirement, "--editable", ROOT)
        except EnvironmentFailedError as error:
            return str(error).partition("ERROR: ")[2]
        return None

    def python(self) -> str:
        """The version of its Python, such as 3.12.1."""
        return self._run([self._venv / "bin/python", "-V"], INSTALL_S_MAX).stdout.split()[-1]

    def _pip(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        pip = [self._venv / "bin/python", "-m", "pip", "--disable-pip-version-check", "--no-input"]
        return self._run([*pip, *arguments], INSTALL_S_MAX)

    def _run(
        self, command: Sequence[str | Path], seconds_max: float, *, may_fail: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a session of its own, which is killed with all its children when its time is up."""
        timeout_s = min(seconds_max, self._deadline_s - time.monotonic())
        shown = _shown(command)
        if timeout_s <= 0:
            raise EnvironmentFailedError("no time was left for it")
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=ROOT, env=_clean(), stdout=pipe, stderr=pipe, text=True, start_new_session=True
        ) as started:
            try:
                out, err = started.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired as error:
                _end(started)
                said = _tail("".join(started.communicate()))
                raise EnvironmentFailedError(f"{shown} ... took more than {timeout_s:.0f} s", said) from error
            finally:
                _end(started)
        if started.returncode and not may_fail:
            reason = f"{shown} ... ended with {started.returncode}: {_reason(err)}"
            raise EnvironmentFailedError(reason, _tail(out + err))
        return subprocess.CompletedProcess(command, started.returncode, out, err)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill what is left of a process and its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()


def _clean() -> dict[str, str]:
    """The environment without what would send an SDK elsewhere, or set us up otherwise."""
    theirs = re.compile(r"^(OTEL_|OPENAI_|ANTHROPIC_|GOOGLE_|GEMINI_|AWS_|PYTHONPATH$|VIRTUAL_ENV$)|_API_KEY$")
    return {name: value for name, value in os.environ.items() if not theirs.search(name)}


def normalised(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _reason(output: str) -> str:
    """The line of pip's output that says why."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["it said nothing"])[-1].replace(str(ROOT), ".")


def _shown(command: Sequence[str | Path]) -> str:
    """What a command does, as a page may say it: its first words, without the folders of this machine."""
    words = [str(word).rpartition("/")[2] for word in command if not str(word).startswith("-")]
    return " ".join(words[:3])


def _tail(output: str) -> str:
    return "\n".join(output.splitlines()[-_OUTPUT_LINES_MAX:])

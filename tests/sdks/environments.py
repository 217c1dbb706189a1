"""A virtual environment for each folder with a requirements.txt: made, filled, asked, used.

`tests/emitters` makes its own with it, too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VENVS = ROOT / ".venvs"
INSTALL_S_MAX = 10 * 60
TESTS_S_MAX = 5 * 60
_OUTPUT_LINES_MAX = 400
_REASON_LENGTH_MAX = 200
#: Folders and addresses of the machine that ran it.
_ELSEWHERE = re.compile(r"(?:\w+://|(?<![\w.])/)[^\s'\"`,;)]+")
#: Of an SDK's own warnings we are not the judge; of those that we cause we are.
_WARNINGS = "filterwarnings=default\nerror:::otel_llm"


class EnvironmentFailedError(Exception):
    """An environment could not be installed or its tests could not run.

    The message is one short line that a page may show, `reason` its part that says why, `output` all that was said.
    """

    def __init__(self, message: str, output: str = "", reason: str = "") -> None:
        super().__init__(f"{message}: {reason}" if reason else message)
        self.reason = reason
        self.output = output


def names() -> list[str]:
    """The environments there are."""
    return sorted(path.parent.name for path in HERE.glob("*/requirements.txt"))


class Environment:
    """The environment of one folder. Nothing in it runs past `deadline_s`, on the monotonic clock."""

    def __init__(self, folder: Path, deadline_s: float) -> None:
        self.name = folder.name
        self.folder = folder
        self.requirements = folder / "requirements.txt"
        self._deadline_s = deadline_s
        self.home = VENVS / folder.parent.name / folder.name

    def install(self, *what: str | Path) -> None:
        """Make it anew: the newest releases there are now unless `what` says otherwise, nothing of an earlier run."""
        shutil.rmtree(self.home, ignore_errors=True)  # a run that was killed may have left half of one
        self._uv("venv", self.home, "--python", sys.executable)
        self._uv("pip", "install", *what, *self._here)

    def test(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Run its tests: how many passed and failed (`counts`), and each SDK's features (`sdks`)."""
        outcomes = self.home / "outcomes.json"
        outcomes.unlink(missing_ok=True)
        command = [self.home / "bin/pytest", self.folder, "-q", "--tb=short", "-c", ROOT / "pyproject.toml"]
        command += ["--confcutdir", self.folder.parent]  # tests/conftest.py needs what an app does not install
        overrides = ["-o", "norecursedirs=.*", "-o", _WARNINGS, "-p", "no:cacheprovider", f"--outcomes={outcomes}"]
        done = self.run([*command, *overrides, *arguments], TESTS_S_MAX, may_fail=True)
        if done.returncode or arguments:
            print(_tail(done.stdout + done.stderr), flush=True)
        if not outcomes.exists() or done.returncode not in (0, 1):
            raise EnvironmentFailedError(f"its tests could not run: pytest ended with {done.returncode}")
        found: dict[str, Any] = json.loads(outcomes.read_text())
        return found

    def versions(self) -> dict[str, str]:
        """The version of every distribution in it, by normalised name."""
        listed = json.loads(self._uv("pip", "list", "--format=json", *self._here).stdout)
        return {normalised(row["name"]): row["version"] for row in listed}

    def newest(self) -> dict[str, str]:
        """The newest release of each listed package, whatever the others and its own dependencies ask for."""
        command = ("pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate", "--no-emit-index-url")
        pins = self._uv(*command, self.requirements, *self._here).stdout.splitlines()
        return {normalised(name): version for name, _, version in (pin.partition("==") for pin in pins)}

    def refusal(self, requirement: str) -> str | None:
        """Why a requirement cannot be installed even alone; None if it can, so that a pin of another kept it out."""
        try:
            self._uv("pip", "install", "--dry-run", "--reinstall", requirement, "--editable", ROOT, *self._here)
        except EnvironmentFailedError as error:
            return error.reason
        return None

    def python(self) -> str:
        """The version of its Python, such as 3.12.1."""
        return self.run([self.home / "bin/python", "-V"], INSTALL_S_MAX).stdout.split()[-1]

    @property
    def _here(self) -> tuple[str | Path, ...]:
        return "--python", self.home / "bin/python"

    def _uv(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.run([sys.executable, "-m", "uv", *arguments], INSTALL_S_MAX)

    def run(
        self,
        command: Sequence[str | Path],
        seconds_max: float,
        *,
        may_fail: bool = False,
        more: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a session of its own, which is killed with all its children when its time is up.

        `more` are variables of its environment that are not cleaned out.
        """
        timeout_s = min(seconds_max, self._deadline_s - time.monotonic())
        shown = _shown(command)
        if timeout_s <= 0:
            raise EnvironmentFailedError("no time was left for it")
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command,
            cwd=cwd,
            env=_clean() | dict(more or {}),
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        ) as started:
            try:
                out, err = started.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired as error:
                _end(started)
                said = _tail("".join(started.communicate()))
                raise EnvironmentFailedError(f"{shown} took more than {timeout_s:.0f} s", said) from error
            finally:
                _end(started)
        if started.returncode and not may_fail:
            raise EnvironmentFailedError(f"{shown} ended with {started.returncode}", _tail(out + err), _reason(err))
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
    """Why a command failed, as a page may say it: one short line, without the folders and addresses of this machine.

    Of what uv derives that is the first step, for the rest follows from it.
    """
    said = " ".join(output.split()).partition(" hint: ")[0]
    derived = re.search(r"Because (.+?),? we can conclude", said)
    why = derived[1] if derived else said.rpartition("error: ")[2].replace(" cause: ", ": ")
    return _ELSEWHERE.sub("...", why.replace(str(ROOT), "."))[:_REASON_LENGTH_MAX]


def _shown(command: Sequence[str | Path]) -> str:
    """What a command does, in its first words."""
    words = [Path(word).name for word in command if not str(word).startswith("-")]
    return " ".join(words[1:4])


def _tail(output: str) -> str:
    return "\n".join(output.splitlines()[-_OUTPUT_LINES_MAX:])

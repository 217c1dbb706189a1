"""An emitter's program in its environment: Python with uv, JavaScript with npm, Java with Maven."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Final

from emitters.emission import HERE
from sdks.environments import INSTALL_S_MAX, Environment, normalised

from otel_llm_collector.demo.standin import Standin

RUN_S_MAX: Final = 180


class Program(Environment):
    """A program that makes the calls. `prepare` installs the versions of its lock, or the newest ones."""

    def prepare(self, *, newest: bool) -> None:
        """Make its environment anew."""
        lock = self.folder / "lock.txt"
        self.install("-r", self.requirements if newest or not lock.exists() else lock)

    def start(self, standin: Standin, receiver: str) -> None:
        """Run it to its end, with addresses of the stand-in and the receiver."""
        home = self.home / "home"
        home.mkdir(parents=True, exist_ok=True)
        more = {
            "EMITTERS_STANDIN": standin.url,
            "EMITTERS_RECEIVER": receiver,
            "EMITTERS_CALLS": str(HERE / "calls/calls.json"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRICS_EXPORTER": "none",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(HERE / "calls"),
            "HOME": str(home),
        }
        self.run(self.command(), RUN_S_MAX, more=more, cwd=home)

    def command(self) -> list[str | Path]:
        """What starts it."""
        return [self.home / "bin/python", self.folder / "emit.py"]

    def packages(self) -> dict[str, str]:
        """The versions of what its requirements list."""
        versions = self.versions()
        lines = (line.partition("#")[0] for line in self.requirements.read_text().splitlines())
        names = sorted(normalised(match[0]) for line in lines if (match := re.match(r"[\w.-]+", line.strip())))
        return {name: versions[name] for name in names}

    def lock(self) -> None:
        """Write down the versions of everything in it."""
        pins = "".join(f"{name}=={version}\n" for name, version in sorted(self.versions().items()))
        (self.folder / "lock.txt").write_text(pins)


class NodeProgram(Program):
    """The same of npm: its lock is package-lock.json."""

    def prepare(self, *, newest: bool) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        names = ("package.json",) if newest else ("package.json", "package-lock.json")
        for name in names:
            shutil.copy(self.folder / name, self.home)
        quiet = ("--no-audit", "--no-fund", "--prefer-offline", "--omit-lockfile-registry-resolved")
        self.run(["npm", "install" if newest else "ci", *quiet, "--prefix", self.home], INSTALL_S_MAX)

    def command(self) -> list[str | Path]:
        for path in (*self.folder.glob("*.mjs"), *HERE.glob("calls/*.mjs"), HERE / "calls/calls.json"):
            shutil.copy(path, self.home)
        return ["node", self.home / "emit.mjs"]

    def packages(self) -> dict[str, str]:
        names = sorted(json.loads((self.folder / "package.json").read_text())["dependencies"])
        found = {name: json.loads((self.home / "node_modules" / name / "package.json").read_text()) for name in names}
        return {name: package["version"] for name, package in found.items()}

    def lock(self) -> None:
        shutil.copy(self.home / "package-lock.json", self.folder)


class JavaProgram(Program):
    """The same of Maven: its versions are those of pom.xml."""

    def prepare(self, *, newest: bool) -> None:
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(self.folder, self.home, ignore=shutil.ignore_patterns("emitted", "differs.json"))
        self.run(["mvn", "--quiet", "--batch-mode", "package"], INSTALL_S_MAX, cwd=self.home)

    def command(self) -> list[str | Path]:
        return ["java", "-jar", *self.home.glob("target/*.jar")]

    def packages(self) -> dict[str, str]:
        pom = (self.folder / "pom.xml").read_text()
        names = {
            "spring-ai": r"<spring-ai.version>(.+?)<",
            "spring-boot": r"starter-parent</artifactId>\s*<version>(.+?)<",
        }
        return {name: match[1] for name, pattern in names.items() if (match := re.search(pattern, pom))}

    def lock(self) -> None:
        """It is the pom."""


def program(name: str, deadline_s: float) -> Program:
    """The program of a folder."""
    folder = HERE / name
    kinds = {"package.json": NodeProgram, "pom.xml": JavaProgram}
    kind = next((kind for file, kind in kinds.items() if (folder / file).exists()), Program)
    return kind(folder, deadline_s)

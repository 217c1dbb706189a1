"""Builds or installs the peers, once: what is there is used again. `python -m interop.builds` builds all of them.

Everything lands below .venvs/interop, in a folder named after the version. Go's peers need Go; without it nothing of
theirs is built, and their tests say so.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1] / ".venvs" / "interop"
BUILD_S_MAX: Final = 30 * 60
OTELCOL: Final = "0.161.0"
JAEGER: Final = "v1.76.0"  # whose cmd/jaeger is Jaeger v2
TELEMETRYGEN: Final = "v0.161.0"
_CONTRIB: Final = "github.com/open-telemetry/opentelemetry-collector-contrib"
_JAEGER: Final = "github.com/jaegertracing/jaeger"
#: Plain `go install` refuses a module that replaces others: one of ours replaces them, too.
_JAEGER_MODULE: Final = """\
module example.org/jaeger

go 1.26

replace github.com/Shopify/sarama => github.com/Shopify/sarama v1.33.0
"""


class BuildError(Exception):
    """A peer could not be built; the text has what the tool said."""


def has_go() -> bool:
    """True where Go is at hand."""
    return shutil.which("go") is not None


def telemetrygen() -> Path:
    """The sender of the OpenTelemetry project."""
    return _made(f"telemetrygen-{TELEMETRYGEN}", "telemetrygen", _build_telemetrygen)


def otelcol() -> Path:
    """An OpenTelemetry Collector with OTLP on both sides, and the queue that survives it."""
    return _made(f"otelcol-{OTELCOL}", "otelcol", _build_otelcol)


def jaeger() -> Path:
    """Jaeger v2, all in one."""
    return _made(f"jaeger-{JAEGER}", "jaeger", _build_jaeger)


def node() -> Path:
    """The folder with the exporters of the OpenTelemetry SDK for Node, and our program that uses them."""
    lock = (HERE / "node" / "package-lock.json").read_bytes()
    return _made(f"node-{hashlib.sha256(lock).hexdigest()[:12]}", "node_modules", _install_node).parent


def _made(folder_name: str, product: str, make: Callable[[Path], None]) -> Path:
    """The product, made unless it is there. Raises BuildError."""
    folder = ROOT / folder_name
    if not (folder / product).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        print(f"building {folder_name}", file=sys.stderr, flush=True)
        make(folder)
        if not (folder / product).exists():
            raise BuildError(f"{folder_name}: no {product} was made")
    return folder / product


def _build_telemetrygen(folder: Path) -> None:
    _run(["go", "install", f"{_CONTRIB}/cmd/telemetrygen@{TELEMETRYGEN}"], folder, GOBIN=str(folder))


def _build_otelcol(folder: Path) -> None:
    _run(["go", "install", f"go.opentelemetry.io/collector/cmd/builder@v{OTELCOL}"], folder, GOBIN=str(folder))
    _run([str(folder / "builder"), "--config", str(HERE / "otelcol.yaml")], folder)
    shutil.move(folder / "build" / "otelcol", folder / "otelcol")
    shutil.rmtree(folder / "build")


def _build_jaeger(folder: Path) -> None:
    (folder / "go.mod").write_text(_JAEGER_MODULE)
    found = json.loads(_run(["go", "mod", "download", "-json", f"{_JAEGER}@{JAEGER}"], folder))
    shutil.copyfile(Path(found["Dir"]) / "go.sum", folder / "go.sum")
    _run(["go", "get", "-tool", f"{_JAEGER}/cmd/jaeger@{JAEGER}"], folder)
    _run(["go", "build", "-o", "jaeger", f"{_JAEGER}/cmd/jaeger"], folder)


def _install_node(folder: Path) -> None:
    for name in ("package.json", "package-lock.json", "send.mjs"):
        shutil.copyfile(HERE / "node" / name, folder / name)
    _run(["npm", "ci", "--no-audit", "--no-fund"], folder)


def _run(command: list[str], folder: Path, **environment: str) -> str:
    """What a tool prints. Raises BuildError with all it said where it fails."""
    told = os.environ | environment
    done = subprocess.run(
        command, check=False, cwd=folder, env=told, capture_output=True, text=True, timeout=BUILD_S_MAX
    )
    if done.returncode:
        raise BuildError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    for build in (node, *((telemetrygen, otelcol, jaeger) if has_go() else ())):
        print(build())

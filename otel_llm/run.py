"""`otel-llm run -- CMD`: `opentelemetry-instrument` with defaults that point at a local collector."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

from .distro import DEFAULTS
from .errors import UsageError

USAGE: Final = "usage: otel-llm run [--] COMMAND [ARGUMENT ...]"
_ENDPOINT: Final = "http://127.0.0.1:4318"
_OURS: Final = "otel_llm"
_BOOT: Final = "opentelemetry.instrumentation.auto_instrumentation"


def command(argv: list[str]) -> int:
    """Run a command with every Python process of it instrumented. Replaces this process; your own OTEL_* win."""
    if argv and argv[0] in ("-h", "--help"):
        print(f"{USAGE}\n\n{command.__doc__}")  # noqa: T201 - help goes to stdout
        return 0
    words = argv[1:] if argv and argv[0] == "--" else argv
    if not words:
        raise UsageError(USAGE)
    return _become(words)


def _become(words: list[str]) -> NoReturn:
    executable = find(words[0])
    # its full path as its own name: a Python finds its virtual environment by that
    os.execve(executable, [executable, *words[1:]], environment(words, os.environ))  # noqa: S606 - what was asked for


def environment(words: list[str], given: Mapping[str, str]) -> dict[str, str]:
    """The environment that the command runs in: what was given, and our defaults where it says nothing."""
    defaults = {
        **DEFAULTS,
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "OTEL_EXPORTER_OTLP_ENDPOINT": _ENDPOINT,
        "OTEL_PYTHON_CONFIGURATOR": _OURS,
        "OTEL_PYTHON_DISTRO": _OURS,
        "OTEL_SERVICE_NAME": _service_name(words),
    }
    if "service.name" in given.get("OTEL_RESOURCE_ATTRIBUTES", ""):
        del defaults["OTEL_SERVICE_NAME"]
    return {**defaults, **given, "PYTHONPATH": _python_path(given.get("PYTHONPATH", ""))}


def _service_name(words: list[str]) -> str:
    """`python app.py` is app, `python -m shop.web` is shop.web, `uvicorn web:app` is uvicorn."""
    if Path(words[0]).name.startswith("python"):
        rest = words[1:]
        for index, word in enumerate(rest):
            if word == "-m" and index + 1 < len(rest):
                return rest[index + 1]
            if not word.startswith("-"):
                return Path(word).stem
    return Path(words[0]).name


def boot_folder() -> str:
    """The folder of OpenTelemetry's `sitecustomize`: with it on the path, a Python starts instrumented."""
    boot = find_spec(_BOOT)
    if boot is None or boot.origin is None:
        raise UsageError("opentelemetry-instrumentation is missing: pip install --force-reinstall otel-llm")
    return str(Path(boot.origin).parent)


def _python_path(given: str) -> str:
    folder = boot_folder()
    rest = [entry for entry in given.split(os.pathsep) if entry and entry != folder]
    here = str(Path.cwd())
    return os.pathsep.join([folder, *([] if here in rest else [here]), *rest])


def find(name: str) -> str:
    """The executable: beside our own Python, whose packages we know of, else on the PATH."""
    beside = Path(sys.executable).parent / name
    if os.sep not in name and os.access(beside, os.X_OK):
        return str(beside)
    found = shutil.which(name)
    if found is None:
        raise UsageError(f"command not found: {name}")
    return found

"""The process that tries it out: `python -m otel_llm.doctor.observe FILE`, run by the command and by nobody else.

It starts as a process under `opentelemetry-instrument` does, imports whatever has a hook waiting for it, and writes
what it saw into the file after each step, so that a library that hangs or crashes leaves the rest.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Final

from opentelemetry.instrumentation.auto_instrumentation import initialize

from .. import patching
from ..failures import RAISE_ENV
from ..installed import distribution_of
from ..instrument import instrument
from .scene import Observed, seen_hooks
from .setup import read_setup

#: What libraries are told before they are imported, so that this goes no further than this machine.
ENVIRONMENT: Final = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", RAISE_ENV: "false"}


def main(path: Path) -> None:
    """Observe this environment and write it down."""
    observed = Observed()
    _start(observed)
    read_setup(observed, ask=True)
    _write(observed, path)
    for module in dict.fromkeys(row.module for row in patching.ledger()):
        observed.importing = module
        _write(observed, path)
        _import(module, observed)
    observed.importing = ""
    observed.hooks = seen_hooks(patching.ledger())
    _write(observed, path)


def _start(observed: Observed) -> None:
    """Set up as the environment says. Hooks are tried in any case: what stands in their way is told apart."""
    try:
        initialize(swallow_exceptions=False)
    except Exception as error:
        observed.error = f"{type(error).__name__}: {error}"
    observed.loaded = bool(patching.ledger())
    if not observed.loaded:
        with contextlib.suppress(Exception):
            instrument()


def _import(module: str, observed: Observed) -> None:
    try:
        if distribution_of(module):
            importlib.import_module(module)
    except BaseException as error:  # a library may even exit
        observed.broken[module] = f"{type(error).__name__}: {error}"


def _write(observed: Observed, path: Path) -> None:
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(observed.as_json()))
    whole.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    os._exit(0)  # nothing that was set up here is to be exported

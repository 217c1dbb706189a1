"""`otel-llm demo`: from nothing to priced rows, without a key, a network or Docker."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from typing import Final

from otel_llm.errors import MissingExtraError

from ..config import DATA_DEFAULT, DATA_ENV, data_dir

_NEEDED: Final = ("anthropic", "duckdb", "grpc", "openai", "pyarrow", "rich")
_INTERRUPTED: Final = 130


def command(argv: list[str]) -> int:
    """Run the demo into a data directory and show what it cost. Returns the exit code; 130 after Ctrl-C.

    Raises MissingExtraError where the extra `demo` is not installed, OtelLlmError where a part does not come up.
    """
    options = _parser().parse_args(argv)
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise MissingExtraError(f"the demo needs {', '.join(missing)}: pip install 'otel-llm[demo]'")
    data = data_dir(options.data)
    try:
        from . import report, stage  # they need the extra

        report.show(stage.play(data))
    except KeyboardInterrupt:
        sys.stderr.write(f"Stopped; nothing is left running. What was received so far is in {data}\n")
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="otel-llm demo",
        description="Start a collector and stand-ins for OpenAI and Anthropic on loopback, run two instrumented "
        "programs against them, show what they cost, and leave the data to query. Needs no key and no network.",
    )
    parser.add_argument("--data", metavar="DIR", help=f"data directory (default: ${DATA_ENV}, else {DATA_DEFAULT})")
    return parser

"""`otel-llm demo`: from nothing to priced rows, or to weeks of them, without a key, a network or Docker."""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from otel_llm.errors import MissingExtraError, UsageError

from ..config import DATA_DEFAULT, DATA_ENV, data_dir

_NEEDED: Final = ("anthropic", "duckdb", "grpc", "openai", "pyarrow", "rich")
_NEEDED_BY_HISTORY: Final = ("duckdb", "grpc", "pyarrow", "rich", "urllib3")
_INTERRUPTED: Final = 130


def command(argv: list[str]) -> int:
    """Run the demo into a data directory and show what it cost. Returns the exit code; 130 after Ctrl-C.

    Raises MissingExtraError where the extra `demo` is not installed, OtelLlmError where a part does not come up.
    """
    options = _parser().parse_args(argv)
    if options.history is None and options.until is not None:
        raise UsageError("--until says when a --history ends: add --history 60d")
    needed = _NEEDED if options.history is None else _NEEDED_BY_HISTORY
    if missing := [name for name in needed if find_spec(name) is None]:
        raise MissingExtraError(f"the demo needs {', '.join(missing)}: pip install 'otel-llm[demo]'")
    data = data_dir(options.data)
    try:
        if options.history is None:
            from . import report, stage  # they need the extra

            report.show(stage.play(data))
        else:
            _make_history(data, options.history, options.until)
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
    parser.add_argument(
        "--history",
        metavar="DAYS",
        help="instead of running programs, send the made-up calls of so many past days, such as 60d: several "
        "providers, users, versions of prompts and a price that jumps; then list the questions that they answer",
    )
    parser.add_argument("--until", metavar="TIME", help="when the history ends, in UTC (default: the last full hour)")
    return parser


def _make_history(data: Path, days: str, until: str | None) -> None:
    from .history import report, stage

    now = dt.datetime.now(dt.UTC)
    report.show(stage.make(data, _days(days), None if until is None else _end(until, now), now))


def _days(text: str) -> int:
    from .history.story import DAYS_MAX, DAYS_MIN

    found = re.fullmatch(r"(\d{1,4})d?", text.strip())
    if found is None or not DAYS_MIN <= int(found[1]) <= DAYS_MAX:
        raise UsageError(f"--history {text}: give a number of days from {DAYS_MIN}d to {DAYS_MAX}d, such as 60d")
    return int(found[1])


def _end(text: str, now: dt.datetime) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--until {text} is no time: give a day or a time in UTC, such as 2026-11-01") from None
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    if moment > now:
        raise UsageError(f"--until {text} is in the future: a history lies in the past")
    return moment

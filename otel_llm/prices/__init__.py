"""`otel-llm prices`: the price list as it is used, what a call costs by it, and putting another list in its place.

    list, show   rates.py     what is charged for a model
    cost         cost.py      the price of one call, by its components
    diff         changes.py   what differs between two lists
    update       update.py    put a list in place
    check        of the collector: calls that have no price

Nothing here uses the network.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NoReturn

from ..errors import MissingExtraError, OtelLlmError, UsageError

Row = dict[str, Any]
_DESCRIPTION: Final = (
    "The prices of models: look at them, compute with them, compare and replace them. Uses no network."
)
_COLLECTOR: Final = "otel_llm_collector.cli"


class Parser(argparse.ArgumentParser):
    """Wrong usage is one line, as in all commands."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; try `{self.prog} --help`")


def command(argv: list[str]) -> int:
    """Run one of its parts and print what it found."""
    if argv[:1] == ["check"]:
        return _check(argv[1:])
    from . import changes, cost, rates, update
    from .page import write

    parser = Parser(prog="otel-llm prices", description=_DESCRIPTION)
    parts = parser.add_subparsers(metavar="PART", required=True, parser_class=Parser)
    for module in (rates, cost, changes, update):
        module.add_parts(parts)
    parts.add_parser("check", help="calls in a data directory that have no price, and why (needs the collector)")
    chosen = parser.parse_args(argv)
    find: Callable[[argparse.Namespace], list[Row]] = chosen.find
    from otel_llm_semconv.pricing.contracts import BadContractsError
    from otel_llm_semconv.pricing.source import BadPricesError

    try:
        write(find(chosen), getattr(chosen, "format", "table"), sys.stdout)
    except (BadContractsError, BadPricesError) as error:
        raise OtelLlmError(str(error)) from error
    except OSError as error:
        if error.filename is None:
            raise
        raise OtelLlmError(f"{error.filename}: {error.strerror}") from error
    _warn_if_stale()
    return 0


def add_format(parser: argparse.ArgumentParser) -> None:
    """`--format`, as all commands have it."""
    parser.add_argument("--format", choices=("csv", "json", "table"), default="table", help="default: table")


def _check(argv: list[str]) -> int:
    try:
        run: Callable[[list[str]], int] = import_module(_COLLECTOR).prices_check
    except ModuleNotFoundError as error:
        raise MissingExtraError("pip install 'otel-llm[collector]'") from error
    return run(argv)


def _warn_if_stale() -> None:
    from datetime import UTC, datetime

    from otel_llm_semconv.pricing import source

    data, today = source.current(), datetime.now(UTC).date()
    if data.is_stale(today):
        newest = data.newest(today)
        print(  # noqa: T201 - for the user to read
            f"otel-llm: {data.version} knows of no price after {newest}; "
            "pip install -U genai-prices, or otel-llm prices update --file data.json",
            file=sys.stderr,
        )

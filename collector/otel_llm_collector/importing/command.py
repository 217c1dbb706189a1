"""`otel-llm import`: exports of other tools into the tables. stdout carries what came of each file alone."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from otel_llm.errors import OtelLlmError, UsageError

from ..asking import ContractsOption, DataOption, FormatOption, OutputOption, PricesOption, write_answer
from ..commandline import run, say
from ..config import contracts, data_dir, use_prices
from ..delivery import Delivery, to_collector, to_directory
from ..lake.address import address_of
from ..render import Format
from . import Importer, Read
from .files import File

_SHOW_S: Final = 0.5


def command(argv: list[str]) -> int:
    """`otel-llm import FILE ...`."""
    return run("import", _import, argv)


def _import(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="JSON, JSONL, CSV, Parquet or OTLP frames.")],
    *,
    collector: Annotated[
        str | None, typer.Option(metavar="URL", help="Send to this running collector, instead of into a directory.")
    ] = None,
    data: DataOption = None,
    service: Annotated[
        str | None, typer.Option(metavar="NAME", help="service.name of the rows. Default: the exporting tool's name.")
    ] = None,
    without_content: Annotated[
        bool, typer.Option("--without-content", help="Leave prompts and answers out.")
    ] = False,
    prices: PricesOption = None,
    contract_file: ContractsOption = None,
    format: FormatOption = Format.TABLE,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """Import exports of Helicone and Langfuse, rows of ClickHouse's otel_traces (OpenLIT), and OTLP files, each known
    by what is in it; packed by gzip or zstd or not. They are priced by their own dates, what the export says that it
    cost stays beside it. Importing twice gives the same rows once. Prints what came of each file."""
    import pyarrow as pa

    from .. import query as lake

    for path in files:
        if not path.is_file():
            raise UsageError(f"no file at {path}")
    if collector and data:
        raise UsageError("give one of --collector URL and --data DIR")
    use_prices(prices)
    with contextlib.ExitStack() as held:
        delivery = held.enter_context(_way(collector, data, contract_file))
        progress = _Progress()
        importer = Importer(delivery, service, without_content=without_content, watch=progress.show)
        done = [*importer.read_all(files)]
        progress.end()
    write_answer(lake.Table(pa.Table.from_pylist([_row(read) for read in done])), None, format, output, data)
    for read in done:
        for line, reason in read.faults:
            say(f"{read.path}:{line}: {reason}")
        if more := read.unreadable - len(read.faults):
            say(f"{read.path}: {more:,} more like these")
    for note in _notes(done, delivery, collector):
        say(note)
    if not any(read.formats for read in done):
        raise OtelLlmError("nothing was imported: no record of a format that is known here; see docs/import.md")


def _way(
    collector: str | None, data: str | None, contract_file: Path | None
) -> contextlib.AbstractContextManager[Delivery]:
    if collector:
        return to_collector(collector)
    place = data_dir(data)
    if "://" in (data or "") or (address_of(place) and not (place / "journal").is_dir()):
        raise UsageError(f"{data}: name the directory of the collector that writes there, or use --collector URL")
    return to_directory(place, contracts(contract_file))


def _row(read: Read) -> dict[str, object]:
    items = read.sent.items
    return {
        "file": read.path.name,
        "format": ", ".join(sorted(read.formats)) or None,
        "records": read.records,
        "spans": items["traces"],
        "scored": read.sent.scores,
        "logs": items["logs"],
        "metrics": items["metrics"],
        "unreadable": read.unreadable,
    }


def _notes(done: list[Read], delivery: Delivery, collector: str | None) -> list[str]:
    found = []
    repeated: dict[str, int] = getattr(delivery, "repeated", {})
    if there := sum(repeated.values()):
        found.append(f"{there:,} rows were there already")
    if rejected := sum(read.sent.rejected for read in done):
        found.append(f"{rejected:,} items were refused by {collector}")
    if old := sum(read.sent.old for read in done):
        then = (
            "the collector dates them by their receipt; into a directory without a collector they keep their dates"
            if collector
            else "a collector drops dates older than spans_days, 400 by default"
        )
        found.append(f"{old:,} items are older than 400 days: {then}")
    return found


class _Progress:
    """How far it is, on a terminal: a line that is written again."""

    def __init__(self) -> None:
        self._is_on = sys.stderr is not None and sys.stderr.isatty()
        self._shown_at = 0.0

    def show(self, file: File, read: Read) -> None:
        """Show it, twice a second at most."""
        now = time.monotonic()
        if self._is_on and now - self._shown_at > _SHOW_S:
            self._shown_at = now
            percent = 100 * file.position // max(1, file.size)
            self._write(f"\r{file.path.name}: {percent} %, {read.records:,} records\x1b[K")

    def end(self) -> None:
        """Take the line away."""
        if self._is_on and self._shown_at:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()
